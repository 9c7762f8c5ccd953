"""The process group of a training on one machine: this process's rank, and collectives.

Every process holds the whole adapter and its optimiser, and trains on a share of each step's rows.
Gradients are summed, so that a step is the same for any number of processes.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from pawl.core.records import Choices
from pawl.errors import TrainError
from pawl.train.pack import Pack, best_fit, packed
from pawl.train.rows import Row

if TYPE_CHECKING:
    import torch

# How long a process waits for another, which may be loading its base or saving.
TIMEOUT = timedelta(minutes=30)


class ProcessLostError(TrainError):
    """Another process of the training ended; the error to report is its own."""


@dataclass(frozen=True)
class ProcessGroup:
    """This process's `rank` among `size`; only the main one, rank 0, writes files."""

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def packs(self, rows: Sequence[Row], choices: Choices) -> list[tuple[Pack, int]]:
        """This process's packs of the rows, each with its weight in the loss: 1, or 0 for a filler.

        All processes get equally many packs, because a sharded base needs all of them in each
        forward pass.
        """
        dealt = deal_rows([len(row) for row in rows], among=self.size)
        room, apart = choices.room, choices.passes != "packed"
        count = max(
            len(share) if apart else len(best_fit([len(rows[i]) for i in share], room=room))
            for share in dealt
        )
        own = [rows[i] for i in dealt[self.rank]]
        real = [(pack, 1) for pack in packed(own, room=room, apart=apart)]
        filler = [(pack, 0) for pack in packed([min(rows, key=len)], room=room, apart=apart)]
        return real + filler * (count - len(real))

    def all_reduce(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace each tensor by its sum over all processes; the same bits in every one.

        Raises:
            ProcessLostError: another process ended.
        """
        if self.size == 1:
            return
        import torch
        from torch import distributed

        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        try:
            distributed.all_reduce(flat)
        except RuntimeError as error:
            raise ProcessLostError(f"process {self.rank} of {self.size} lost the others") from error
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def any(self, value: bool) -> bool:
        """Whether the value is true in any process; the same result in all."""
        if self.size == 1:
            return value
        import torch

        count = torch.tensor([float(value)], device=_device())
        self.all_reduce([count])
        return bool(count.item())

    def mean(self, value: float) -> float:
        """The mean over all processes; the same bits in every one, so that all decide alike."""
        if self.size == 1:
            return value
        import torch

        total = torch.tensor([value], dtype=torch.float64, device=_device())
        self.all_reduce([total])
        return total.item() / self.size

    def refuse_different_steps(self, step: int) -> None:
        """Refuse processes that resume from different steps.

        Raises:
            TrainError: the steps differ.
        """
        import torch

        total = torch.tensor([float(step)], dtype=torch.float64, device=_device())
        self.all_reduce([total])
        if self.any(total.item() != step * self.size):
            raise TrainError(
                f"process {self.rank} of {self.size} resumes from step {step}, another does not",
                rule="all processes of a training resume from the same checkpoint",
                remedy="make sure that all can read `.pawl/checkpoints`, then run it again",
            )


SINGLE = ProcessGroup()


@contextmanager
def joined_group() -> Iterator[ProcessGroup]:
    """Within this, the process group that the launcher described in the environment.

    Raises:
        ProcessLostError: a process did not join.
    """
    import torch
    from torch import distributed

    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    try:
        distributed.init_process_group("nccl" if cuda else "gloo", timeout=TIMEOUT)
    except RuntimeError as error:
        raise ProcessLostError(f"the processes of the training did not meet: {error}") from error
    try:
        yield ProcessGroup(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


def deal_rows(lengths: Sequence[int], *, among: int) -> list[list[int]]:
    """Deal rows into shares of about equally many tokens: the longest first, to the smallest share.

    Returns:
        Indices of each share's rows; every row once. Depends on the lengths alone.
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
