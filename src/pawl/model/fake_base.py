"""A base made of fake tensors, which have shapes and no memory.

They go through the same code as real ones, and only the numbers are missing. So the base's
config.json is enough, also for a base that is too large for this machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.model.adapted_layers import linear_names
from pawl.model.families import refusing_other_models

if TYPE_CHECKING:
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode
    from transformers import PreTrainedModel

# bitsandbytes' NF4 with double quantisation: values a block, blocks a block of scales.
BLOCK, NESTED = 64, 256


def meta_base(folder: Path, dtype: torch.dtype) -> PreTrainedModel:
    """The base on torch's meta device, from its config.json alone.

    Raises:
        OSError: `folder` has no config.json.
        BaseError: transformers has no language model of its family.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with refusing_other_models(folder), torch.device("meta"):
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        model: PreTrainedModel = AutoModelForCausalLM.from_config(
            config, dtype=dtype, trust_remote_code=False
        )
    model.tie_weights()
    model.requires_grad_(False)
    return model


def quantise(model: Any) -> None:
    """Replace all linear layers but the head by NF4 layers; within the meta device."""
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
        # As in `load_base`: else it would be packed anew for decoding.
        packed.support_avx512bf16_for_cpu = False
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, packed)
    model.is_loaded_in_4bit = True


def fake_weights(model: Any, mode: FakeTensorMode) -> None:
    """Replace a model's weights on the meta device by fake tensors, to be used within `mode`."""
    replaced: dict[int, Any] = {}
    for module in model.modules():
        for name, value in (*module._parameters.items(), *module._buffers.items()):
            if value is not None:
                replaced.setdefault(id(value), _fake(value, mode))
                setattr(module, name, replaced[id(value)])


def _fake(value: Any, mode: FakeTensorMode) -> Any:
    """The fake tensor that replaces one of the meta device; packed if its layer is NF4."""
    import torch
    from bitsandbytes.nn import Params4bit

    with mode:
        if isinstance(value, Params4bit):
            return _fake_nf4(value)
        fake = torch.empty_like(value, device="cpu")
        if not isinstance(value, torch.nn.Parameter):
            return fake
        return torch.nn.Parameter(fake, requires_grad=value.requires_grad)


def _fake_nf4(value: Any) -> torch.nn.Parameter:
    """A packed NF4 weight with its quantisation state."""
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
    fake: Any = torch.nn.Parameter(
        torch.empty(-(-count // 2), 1, dtype=torch.uint8), requires_grad=False
    )
    fake.quant_state, fake.quant_type, fake.compress_statistics = state, "nf4", True
    return fake  # type: ignore[no-any-return]
