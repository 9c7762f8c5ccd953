"""The device that is trained on: how much memory it has, and how much of it training may count on.

All in all, not what is free at the moment: the same machine must always choose the same.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.config.schema import Train
from pawl.errors import UsageError

if TYPE_CHECKING:
    import torch

GIB = 1 << 30
SIZE = re.compile(r"(\d+(?:\.\d+)?) ?Gi?B", re.IGNORECASE)
# Where a container says what it may have: cgroup v2, v1.
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
# CUDA's own context and kernels; gaps between blocks.
CONTEXT, GAPS = 0.75 * GIB, 0.03
# Python with torch and transformers; what other processes of the machine take of the rest.
LIBRARIES, OTHERS = 0.75 * GIB, 0.2
# On CPU a process holds up to so many times what its tensors take, where malloc keeps what they
# leave between others (measured: bench/README.md).
KEPT = 3.0


@dataclass(frozen=True)
class Device:
    """`memory` in bytes; `here`: it is this machine's, so that time can be measured on it."""

    name: str
    cuda: bool
    memory: int
    here: bool

    @property
    def usable(self) -> int:
        """Bytes that tensors may take, where what they leave is given back."""
        if self.cuda:
            return max(0, int(self.memory * (1 - GAPS) - CONTEXT))
        return max(0, int((self.memory - LIBRARIES) * (1 - OTHERS)))

    def shared(self, processes: int) -> Device:
        """What each of so many processes has of it: of a CPU a part, a card of its own."""
        return self if self.cuda else dataclasses.replace(self, memory=self.memory // processes)

    def memory_for(self, tensors: int) -> int:
        """Bytes of memory of which tensors may take so many."""
        if self.cuda:
            return math.ceil((tensors + CONTEXT) / (1 - GAPS))
        return math.ceil(tensors / (1 - OTHERS) + LIBRARIES)

    @property
    def limits(self) -> tuple[tuple[int, bool], ...]:
        """Bytes that tensors may take, and whether malloc must then give back what they leave: the
        faster way first. CUDA's memory is not malloc's."""
        if self.cuda:
            return ((self.usable, False),)
        return ((int(self.usable / KEPT), False), (self.usable, True))


def here() -> Device:
    """The device of this machine that training takes: CUDA's first, else the CPU."""
    import torch

    if not torch.cuda.is_available():
        return Device("cpu", cuda=False, memory=_memory(), here=True)
    found = torch.cuda.get_device_properties(0)
    return Device(found.name, cuda=True, memory=found.total_memory, here=True)


def named(text: str | None) -> Device:
    """A device as people name it: a CUDA card by its memory ('24GB'), or 'cpu'; None: `here`.

    Cards are sold by 2^30 bytes, whatever the unit is called.

    Raises:
        UsageError: it is neither.
    """
    found = here()
    if text is None or text.lower() == ("cuda" if found.cuda else "cpu"):
        return found
    if text.lower() == "cpu":
        return Device("cpu", cuda=False, memory=_memory(), here=False)
    size = SIZE.fullmatch(text.strip())
    if size is None or not float(size[1]):
        raise UsageError(
            f"'{text}' is no device",
            rule="a device is a CUDA card's memory, like 24GB, or 'cpu'; without, it is this one's",
            remedy="name it so: `pawl plan TASK --device 24GB`",
        )
    return Device(
        f"a card of {size[1]} GiB", cuda=True, memory=int(float(size[1]) * GIB), here=False
    )


def settled(params: Train) -> Train:
    """The parameters with `precision` as it is on this machine, never `auto`."""
    if params.precision != "auto":
        return params
    return dataclasses.replace(params, precision="bfloat16" if _quick() else "float32")


def compute_dtype(params: Train, *, cuda: bool) -> torch.dtype:
    """What products are computed in; the adapter's own weights are float32 everywhere."""
    import torch

    wide = settled(params).precision == "float32" and not cuda
    return torch.float32 if wide else torch.bfloat16


def computes(params: Train, *, cuda: bool) -> str:
    """What products are computed in and why, as a person reads it."""
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


def _memory() -> int:
    """Bytes of the machine, or of the container where that has less."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in map(Path, LIMITS):
        said = path.read_text(encoding="ascii").strip() if path.is_file() else "max"
        if said.isdigit():
            sizes.append(int(said))
    return min(sizes)
