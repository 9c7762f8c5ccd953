"""What a training would be, from the base's configuration alone: no weights are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pawl.base import linear_names


@dataclass(frozen=True)
class Size:
    """Numbers of parameters: those that LoRA trains, and those of the frozen base."""

    trainable: int
    base: int


def size(folder: Path, *, rank: int, targets: Sequence[str] | None = None) -> Size:
    """Count parameters on torch's meta device (shapes without memory).

    A LoRA pair on a layer of shape [out, in] has rank × (in + out) parameters. `targets` are the
    layers' names, None: all but the head.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    names = set(targets or linear_names(model))
    pairs = (
        rank * (layer.in_features + layer.out_features)
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Linear) and name.rpartition(".")[2] in names
    )
    return Size(trainable=sum(pairs), base=sum(p.numel() for p in model.parameters()))
