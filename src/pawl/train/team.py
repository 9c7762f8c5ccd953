"""The processes of one training, on one machine: which of them this is, and sums over all.

Every process holds the whole adapter and its optimiser, and learns from a share of each step's
rows. Gradients are summed, so that a step is the same step whatever number of processes takes it.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from pawl.errors import TrainError
from pawl.train.pack import Pack, best_fit, packed
from pawl.train.rows import Row

if TYPE_CHECKING:
    import torch

# How long a process waits for another, which may be loading its base or saving.
PATIENCE = timedelta(minutes=30)


class LostError(TrainError):
    """Another process of the training ended; what it said is the error to tell."""


@dataclass(frozen=True)
class Team:
    """This process's number, from 0, and that of all. Process 0 alone writes."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def packs(self, rows: Sequence[Row], *, room: int) -> list[tuple[Pack, int]]:
        """This process's packs of the rows, each with 1.

        All processes get as many, because the layers of a sharded base are put together by all at
        once: a pack with 0 is there for that alone and counts for nothing.
        """
        dealt = shares([len(row) for row in rows], among=self.size)
        count = max(len(best_fit([len(rows[i]) for i in share], room=room)) for share in dealt)
        found = [(pack, 1) for pack in packed([rows[i] for i in dealt[self.rank]], room=room)]
        spare = [(pack, 0) for pack in packed([min(rows, key=len)], room=room)]
        return found + spare * (count - len(found))

    def add(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace each by its sum over all processes; the same bits in every one.

        Raises:
            LostError: another process ended.
        """
        if self.size == 1:
            return
        import torch
        from torch import distributed

        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        try:
            distributed.all_reduce(flat)
        except RuntimeError as error:
            raise LostError(f"process {self.rank} of {self.size} lost the others") from error
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def any(self, said: bool) -> bool:
        """Whether any process says so: the same answer in all."""
        if self.size == 1:
            return said
        import torch

        count = torch.tensor([float(said)], device=_device())
        self.add([count])
        return bool(count.item())

    def refuse_different(self, step: int) -> None:
        """All must go on from the same step.

        Raises:
            TrainError: they do not.
        """
        import torch

        total = torch.tensor([float(step)], dtype=torch.float64, device=_device())
        self.add([total])
        if self.any(total.item() != step * self.size):
            raise TrainError(
                f"process {self.rank} of {self.size} goes on from step {step}, another does not",
                rule="all processes of a training go on from the same checkpoint",
                remedy="see that all can read `.pawl/checkpoints`, then run it again",
            )


ALONE = Team()


@contextmanager
def joined() -> Iterator[Team]:
    """The processes that a launcher started, of which this is one; it left word in the environment.

    Raises:
        TrainError: a process did not come.
    """
    import torch
    from torch import distributed

    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    try:
        distributed.init_process_group("nccl" if cuda else "gloo", timeout=PATIENCE)
    except RuntimeError as error:
        raise LostError(f"the processes of the training did not meet: {error}") from error
    try:
        yield Team(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


def shares(lengths: Sequence[int], *, among: int) -> list[list[int]]:
    """Deal rows so that all get about as many tokens: the longest first, to whoever has the least.

    Returns:
        Indices of the rows of each; every row once, by lengths alone.
    """
    dealt: list[list[int]] = [[] for _ in range(among)]
    heap = [(0, number) for number in range(among)]
    for row in sorted(range(len(lengths)), key=lambda row: (-lengths[row], row)):
        tokens, number = heapq.heappop(heap)
        dealt[number].append(row)
        heapq.heappush(heap, (tokens + lengths[row], number))
    return [sorted(share) for share in dealt]


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
