"""A pack through the base: by the fast path, row by row, or by the model's own code.

Which of them is decided before a training takes a step (`pawl.train.agreement`).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from pawl.core.records import Choices, Passes
from pawl.train.attention import CurrentPack, PackLayout, attending_packed, pack_layout
from pawl.train.fused import fused
from pawl.train.layers import merged_lora
from pawl.train.loss import completion_loss
from pawl.train.pack import Pack

if TYPE_CHECKING:
    import torch
    from peft import PeftModel

# The attribute of a base in packed mode: its current pack, None for its own passes.
CURRENT = "pawl_current"
PLAIN = Choices()
# The passes of `Choices`, fastest first; the last are the model's own.
ORDER: tuple[Passes, ...] = ("packed", "rows", "own")


@contextmanager
def packed_mode(model: PeftModel, choices: Choices = PLAIN) -> Iterator[None]:
    """Within this, the model takes packs, as `choices` say.

    With checkpointing only the inputs of decoder layers are saved in training, and the rest is
    recomputed in the backward pass.
    """
    base = base_of(model)
    with ExitStack() as stack:
        current: CurrentPack | None = None
        if choices.passes != "own":
            current = stack.enter_context(attending_packed(base))
            stack.enter_context(merged_lora(model))
            stack.enter_context(fused(base, current))
        setattr(base, CURRENT, current)
        stack.callback(delattr, base, CURRENT)
        if choices.checkpointing:
            # transformers 5.17 has these by their old names alone.
            now = "activation" if hasattr(base, "activation_checkpointing_enable") else "gradient"
            getattr(base, f"{now}_checkpointing_enable")()
            stack.callback(getattr(base, f"{now}_checkpointing_disable"))
        yield


def summed_loss(model: PeftModel, pack: Pack, *, layout: PackLayout | None = None) -> torch.Tensor:
    """The summed cross-entropy of the pack's completion tokens, in nats.

    `layout`: the pack's, if another than that of the model's device is wanted.
    """
    base = base_of(model)
    if getattr(base, CURRENT) is None:
        return _own_loss(model, pack)
    states = learned_states(model, pack, layout=layout)
    return completion_loss(base, states, pack.targets.to(model.device))


def learned_states(
    model: PeftModel, pack: Pack, *, layout: PackLayout | None = None
) -> torch.Tensor:
    """[N, width]: the base's last hidden states at the target positions."""
    base, device = base_of(model), model.device
    current: CurrentPack = getattr(base, CURRENT)
    current.layout = layout or pack_layout(pack.lengths, pack.read.to(device))
    hidden: torch.Tensor = base.base_model(
        input_ids=pack.ids.to(device), position_ids=pack.positions.to(device), use_cache=False
    ).last_hidden_state[0]
    return hidden[pack.at.to(device)]


def only_adapter_drops(model: PeftModel) -> None:
    """Put the model in training, but for the base's own dropout and its routers' noise.

    What is learned is the adapter, and its dropout is `train.dropout`. Modules that checkpoint
    ask whether they are in training.
    """
    model.train()
    for name, module in base_of(model).named_modules():
        dropout = ".lora_dropout." in name
        module.training = dropout or hasattr(module, "gradient_checkpointing")


def base_of(model: PeftModel) -> Any:
    """The base, with the adapter's layers in it."""
    return model.get_base_model()


def _own_loss(model: PeftModel, pack: Pack) -> torch.Tensor:
    """The same by the model's own forward pass; the pack is one row and filler after it."""
    import torch

    base, at = base_of(model), pack.at.to(model.device)
    # Without this the head gives logits for every token of the vocabulary at every position.
    few = "logits_to_keep" in inspect.signature(base.forward).parameters
    keep = {"logits_to_keep": at} if few else {}
    logits = base(input_ids=pack.ids.to(model.device), use_cache=False, **keep).logits[0]
    return torch.nn.functional.cross_entropy(
        (logits if few else logits[at]).float(), pack.targets.to(model.device), reduction="sum"
    )
