"""Which of a base's layers LoRA adapts."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# What peft takes for experts' weights if a base's experts are one parameter, and the families whose
# `out_proj` it refuses.
EXPERTS = ("gate_proj", "up_proj", "down_proj", "w1", "w2", "w3")
STATE_SPACES = ("falcon_h1", "mamba", "mamba2", "falcon_mamba", "nemotron_h")


def linear_names(model: PreTrainedModel) -> list[str]:
    """Names of the linear layers that LoRA adapts: all but the head, and those that it cannot.

    Routers, which decide and do not compute, and experts, whose weights are one block that NF4 and
    a plain LoRA both leave alone, are none of them; nor is the output of a state space layer, whose
    kernels read its weights themselves.
    """
    import torch

    head = model.get_output_embeddings()
    names: dict[str, bool] = {}
    for name, layer in model.named_modules():
        if isinstance(layer, torch.nn.Linear) and layer is not head:
            last = name.rpartition(".")[2]
            names[last] = names.get(last, True) and _is_plain(layer)
    left_out = set(EXPERTS) if _has_experts(model) else set()
    if model.config.model_type in STATE_SPACES:
        left_out.add("out_proj")
    return sorted(name for name, plain in names.items() if plain and name not in left_out)


def _is_plain(layer: Any) -> bool:
    """Whether a linear layer, maybe of a class of its own, gives one tensor."""
    import torch

    if type(layer).forward is torch.nn.Linear.forward or hasattr(layer, "compute_dtype"):
        return True
    twin = copy.copy(layer)
    twin._parameters = {n: p if p is None else p.to("meta") for n, p in layer._parameters.items()}
    try:
        out = type(layer).forward(twin, torch.empty(1, layer.in_features, device="meta"))
    except Exception:  # noqa: BLE001  # whatever it wants, it is no plain linear layer
        return False
    return isinstance(out, torch.Tensor)


def _has_experts(model: Any) -> bool:
    """Whether a layer's experts are one parameter of three dimensions."""
    return any(p.dim() == 3 and ".experts." in name for name, p in model.named_parameters())
