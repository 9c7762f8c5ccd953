"""What a training computes in, and on which device (`pawl.model.device`)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pawl.config.schema import Train
from pawl.model.device import GIB, KEPT, LIBRARIES, OTHERS, Device, here, named

if TYPE_CHECKING:
    import torch

__all__ = [
    "GIB", "KEPT", "LIBRARIES", "OTHERS", "Device", "compute_dtype", "computes", "here", "named",
    "settled",
]  # fmt: skip


def settled(params: Train) -> Train:
    """The parameters with `precision: auto` resolved for this machine."""
    if params.precision != "auto":
        return params
    return dataclasses.replace(params, precision="bfloat16" if _quick() else "float32")


def compute_dtype(params: Train, *, cuda: bool) -> torch.dtype:
    """The type in which products are computed; the adapter's own weights are always float32."""
    import torch

    wide = settled(params).precision == "float32" and not cuda
    return torch.float32 if wide else torch.bfloat16


def computes(params: Train, *, cuda: bool) -> str:
    """The type in which products are computed, and why, as text."""
    if cuda:
        return "in bfloat16, as on every card"
    precision, fastest = (
        settled(dataclasses.replace(params, precision=asked)).precision
        for asked in (params.precision, "auto")
    )
    why = (
        "which this CPU multiplies fastest" if precision == fastest else "as `train.precision` asks"
    )
    return f"in {precision}, {why}"


def _quick() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware; elsewhere it is emulated, and slow."""
    import torch

    able = torch.cpu.get_capabilities()
    return any(able.get(name) for name in ("avx512_bf16", "amx_bf16"))
