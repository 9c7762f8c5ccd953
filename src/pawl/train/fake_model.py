"""A base with a new adapter made of fake tensors: attention, checkpointing and loss are those of a
training (`pawl.model.fake_base`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pawl.config.schema import Train
from pawl.model.base import silence_bitsandbytes
from pawl.model.fake_base import fake_weights, meta_base, quantise
from pawl.train.qlora import adapted

if TYPE_CHECKING:
    from peft import PeftModel
    from torch._subclasses.fake_tensor import FakeTensorMode
    from transformers import PreTrainedModel

__all__ = ["fake_model", "meta_base"]


def fake_model(
    base: PreTrainedModel, params: Train, mode: FakeTensorMode, *, nf4: bool
) -> PeftModel:
    """The base of `meta_base` with a new adapter, NF4 or dense, to be used within `mode`.

    `base` is modified in place and returned.
    """
    import torch

    silence_bitsandbytes()
    with torch.device("meta"):
        if nf4:
            quantise(base)
        model = adapted(base, params)
    fake_weights(model, mode)
    return model
