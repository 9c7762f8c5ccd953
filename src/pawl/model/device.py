"""The device of training and judging: how much memory it has, and how much tensors may take.

Total memory, not what is free at the moment: the same machine must always choose the same.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path

from pawl.errors import UsageError

GIB = 1 << 30
SIZE = re.compile(r"(\d+(?:\.\d+)?) ?Gi?B", re.IGNORECASE)
# A container's memory limit: cgroup v2, v1.
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
# CUDA's own context and kernels; fragmentation.
CONTEXT, GAPS = 0.75 * GIB, 0.03
# Python with torch and transformers; the share of the rest left to other processes.
LIBRARIES, OTHERS = 0.75 * GIB, 0.2
# On CPU a process holds up to so many times what its tensors take, if malloc retains freed memory
# (measured: bench/README.md).
KEPT = 3.0


@dataclass(frozen=True)
class Device:
    """A device with `memory` bytes; `here`: it is this machine's, so that speed can be measured."""

    name: str
    cuda: bool
    memory: int
    here: bool

    @property
    def usable(self) -> int:
        """Bytes that tensors may take if freed memory is returned."""
        if self.cuda:
            return max(0, int(self.memory * (1 - GAPS) - CONTEXT))
        return max(0, int((self.memory - LIBRARIES) * (1 - OTHERS)))

    def shared(self, processes: int) -> Device:
        """The device of each of so many processes: an equal share of a CPU, or a GPU of its own."""
        return self if self.cuda else dataclasses.replace(self, memory=self.memory // processes)

    def memory_for(self, tensors: int) -> int:
        """Bytes of a device on which tensors may take so many."""
        if self.cuda:
            return math.ceil((tensors + CONTEXT) / (1 - GAPS))
        return math.ceil(tensors / (1 - OTHERS) + LIBRARIES)

    @property
    def limits(self) -> tuple[tuple[int, bool], ...]:
        """Bytes that tensors may take, and whether malloc must then return freed memory.

        The faster way first. CUDA's memory is not malloc's.
        """
        if self.cuda:
            return ((self.usable, False),)
        return ((int(self.usable / KEPT), False), (self.usable, True))


def here() -> Device:
    """This machine's training device: the first of CUDA, else the CPU."""
    import torch

    if not torch.cuda.is_available():
        return Device("cpu", cuda=False, memory=_memory(), here=True)
    found = torch.cuda.get_device_properties(0)
    return Device(found.name, cuda=True, memory=found.total_memory, here=True)


def named(text: str | None) -> Device:
    """Parse a device: a CUDA GPU by its memory ('24GB'), or 'cpu'; None: `here`.

    GPU memory is counted in units of 2^30 bytes, whatever the unit is called.

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
            rule="a device is a GPU's memory, like 24GB, or 'cpu'; the default is this machine's",
            remedy="write it like this: `pawl plan TASK --device 24GB`",
        )
    return Device(
        f"a card of {size[1]} GiB", cuda=True, memory=int(float(size[1]) * GIB), here=False
    )


def _memory() -> int:
    """Bytes of the machine, or of its container if that has less."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in map(Path, LIMITS):
        limit = path.read_text(encoding="ascii").strip() if path.is_file() else "max"
        if limit.isdigit():
            sizes.append(int(limit))
    return min(sizes)
