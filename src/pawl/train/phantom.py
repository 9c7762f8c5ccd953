"""A base with an adapter as training sees it, made of tensors that have shapes and no memory.

torch's fake tensors go through the same code as real ones: attention, checkpointing and the loss
are those of a training, and only the numbers are missing. So the base's config.json is enough, and
a base that no machine at hand could hold is taken apart as well.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.config.schema import Train
from pawl.model.base import hush, linear_names
from pawl.train.qlora import adapted

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from torch._subclasses.fake_tensor import FakeTensorMode
    from transformers import PreTrainedModel

# As bitsandbytes packs NF4 with double quantisation: values a block, blocks a block of scales.
BLOCK, NESTED = 64, 256


def shapes(folder: Path, dtype: torch.dtype) -> PreTrainedModel:
    """The base on torch's meta device, from its config.json alone.

    Raises:
        OSError: `folder` has no config.json.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(
            config, dtype=dtype, trust_remote_code=False
        )
    model.tie_weights()
    model.requires_grad_(False)
    return model


def phantom(base: PreTrainedModel, params: Train, mode: FakeTensorMode, *, nf4: bool) -> PeftModel:
    """`shapes` with a new adapter, its linear layers packed or dense, to be used within `mode`.

    `base` is used up: it becomes the model that is returned.
    """
    import torch

    hush()
    with torch.device("meta"):
        if nf4:
            _pack(base)
        model = adapted(base, params)
    twins: dict[int, Any] = {}
    for module in model.modules():
        for name, value in (*module._parameters.items(), *module._buffers.items()):
            if value is not None:
                twins.setdefault(id(value), _twin(value, mode))
                setattr(module, name, twins[id(value)])
    return model


def _pack(model: Any) -> None:
    """Put NF4 layers in the place of all linear ones but the head."""
    import torch
    from bitsandbytes.nn import Linear4bit, Params4bit

    names, compute = set(linear_names(model)), model.dtype
    for name, layer in list(model.named_modules()):
        if not isinstance(layer, torch.nn.Linear) or name.rpartition(".")[2] not in names:
            continue
        packed = Linear4bit(
            layer.in_features,
            layer.out_features,
            bias=layer.bias is not None,
            compute_dtype=compute,
        )
        packed.weight = Params4bit(layer.weight.data, requires_grad=False, quant_type="nf4")
        packed.bias = layer.bias
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, packed)
    model.is_loaded_in_4bit = True


def _twin(value: Any, mode: FakeTensorMode) -> Any:
    """A fake tensor in the place of one of the meta device; NF4 where it is to be packed."""
    import torch
    from bitsandbytes.nn import Params4bit

    with mode:
        if isinstance(value, Params4bit):
            return _packed(value)
        twin = torch.empty_like(value, device="cpu")
        if not isinstance(value, torch.nn.Parameter):
            return twin
        return torch.nn.Parameter(twin, requires_grad=value.requires_grad)


def _packed(value: Any) -> torch.nn.Parameter:
    import torch
    from bitsandbytes.functional import QuantState

    count = value.numel()
    blocks = -(-count // BLOCK)
    scales = QuantState(
        torch.empty(-(-blocks // NESTED)),
        code=torch.empty(256),
        blocksize=NESTED,
        dtype=torch.float32,
    )
    state = QuantState(
        torch.empty(blocks, dtype=torch.uint8),
        shape=value.shape,
        code=torch.empty(16),
        blocksize=BLOCK,
        quant_type="nf4",
        dtype=value.dtype,
        offset=torch.empty(()),
        state2=scales,
    )
    twin: Any = torch.nn.Parameter(
        torch.empty(-(-count // 2), 1, dtype=torch.uint8), requires_grad=False
    )
    twin.quant_state, twin.quant_type, twin.compress_statistics = state, "nf4", True
    return twin  # type: ignore[no-any-return]
