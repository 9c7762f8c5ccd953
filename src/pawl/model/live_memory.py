"""Peak memory by part, of code that runs on fake tensors (`pawl.model.fake_base`).

Each storage is counted while it lives: what `torch.cuda.max_memory_allocated` would report.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pawl.model.fake_base import meta_base

# cuBLAS' own workspace, from torch's allocator (Hopper; less on older GPUs).
CUBLAS = 32 << 20
# On CPU the process itself grows: Python's objects, compiled products, their buffers (12 to 34 MiB
# measured, for any base: bench/README.md).
PROCESS = 24 << 20
# Numbers of layers that a deeper base is extrapolated from. The last layer differs from the others
# (`pawl.train.fused`), so that the peak of both must be in another.
SHORT, LONG = 4, 6
LINEARS, TABLES, ADAPTER = "base, linear layers", "embeddings and head", "LoRA and optimiser"
UNPACKED, LOGITS, ACTIVATIONS = "weight being used", "logits", "activations"
PARTS = (LINEARS, TABLES, ADAPTER, UNPACKED, LOGITS, ACTIVATIONS)
Moments = dict[str, dict[str, int]]


@dataclass(frozen=True)
class Peak:
    """Peak memory in bytes, in total and by part."""

    total: int
    parts: dict[str, int]


# Peaks that were counted in this process: two starts of a training ask for one twice.
_COUNTED: dict[Hashable, Peak] = {}


def peak_of(
    folder: Path, dtype: torch.dtype, moments: Callable[[Any], Moments], *, of: Hashable
) -> Peak:
    """The worst of the moments of the base in `folder`; needs its config.json alone.

    Args:
        moments: peak bytes by part in each phase, of the base of `meta_base`, which it may modify.
        of: all that the moments depend on besides the base and `dtype`.
    """
    key = (folder.joinpath("config.json").read_bytes(), dtype, of)
    if key not in _COUNTED:
        _COUNTED[key] = _counted(folder, dtype, moments)
    return _COUNTED[key]


def _counted(folder: Path, dtype: torch.dtype, moments: Callable[[Any], Moments]) -> Peak:
    """A deep base is extrapolated from two shorter ones: each layer adds the same at each moment
    that can be the peak.
    """
    base = meta_base(folder, dtype)
    layers: Any = getattr(base.base_model, "layers", ())
    depth = len(layers)
    if depth <= LONG:
        return _worst(moments(base))
    base.base_model.layers = layers[:LONG]
    long = moments(base)
    base = meta_base(folder, dtype)
    base.base_model.layers = base.base_model.layers[:SHORT]
    short = moments(base)
    more = (depth - LONG) / (LONG - SHORT)
    return _worst(
        {
            moment: {
                part: round(parts[part] + more * (parts[part] - short[moment][part]))
                for part in PARTS
            }
            for moment, parts in long.items()
        }
    )


def _worst(moments: Moments) -> Peak:
    parts = max(moments.values(), key=lambda parts: sum(parts.values()))
    return Peak(sum(parts.values()), parts)


class LiveMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own
    """Live bytes by part (`now`), and those at the peak of each phase entered (`worst`)."""

    def __init__(self, model: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's own
        self.now = dict.fromkeys(PARTS, 0)
        self.worst: dict[str, dict[str, int]] = {}
        self.enter("forward")
        self._known: dict[int, weakref.ref[Any]] = {}
        self._words = model.config.get_text_config().vocab_size
        self._slopes = {tuple(p.shape) for p in model.parameters() if p.requires_grad}
        for name, value in (*model.named_parameters(), *model.named_buffers()):
            owner = model.get_submodule(name.rpartition(".")[0])
            part = LINEARS if isinstance(owner, torch.nn.Linear) else TABLES
            part = ADAPTER if value.requires_grad else part
            part = TABLES if owner is model.get_output_embeddings() else part
            for tensor in (value, *_scales(value)):
                self._note(tensor, part)

    def enter(self, phase: str) -> None:
        self.worst[phase] = dict(self.now)
        self._phase, self._most = phase, sum(self.now.values())

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self._note(tensor, self._part(func, args, tensor))
        return out

    def _part(self, func: Any, args: Any, made: torch.Tensor) -> str:
        # W + s B A is the only addmm with a matrix; a layer's bias is a vector.
        if "dequantize" in str(func) or (
            func is torch.ops.aten.addmm.default and args[0].dim() == 2
        ):
            return UNPACKED
        if made.shape[-1:] == (self._words,):
            return LOGITS
        return ADAPTER if tuple(made.shape) in self._slopes else ACTIVATIONS

    def _note(self, tensor: torch.Tensor, part: str) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return

        def gone(_: Any) -> None:
            del self._known[key]
            self.now[part] -= size

        self._known[key] = weakref.ref(storage, gone)
        self.now[part] += size
        # A new peak of this phase.
        total = sum(self.now.values())
        if total > self._most:
            self._most, self.worst[self._phase] = total, dict(self.now)


def _scales(weight: Any) -> list[torch.Tensor]:
    """The quantisation state's tensors of an NF4 weight."""
    state = getattr(weight, "quant_state", None)
    if state is None:
        return []
    return [state.absmax, state.code, state.offset, state.state2.absmax, state.state2.code]
