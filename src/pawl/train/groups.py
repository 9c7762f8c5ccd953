"""Gather the rows of a pack into batches of similar length, padded on the right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

# A group takes rows up to this many times as long as its shortest.
SPREAD = 1.5
# The most rows of a group: their scores stay in the CPU's cache, and shapes vary less.
MANY = 4
# A group is padded to a multiple of this: odd widths are slow, and each new width is compiled anew.
EVEN = 32


@dataclass(frozen=True)
class LengthGroup:
    """Rows of similar length.

    `gather` [rows * longest] indexes the group's tokens (padding repeats the first). Among the
    gathered, `restore` indexes the real tokens in the pack's order, `padding` the others.
    """

    rows: int
    longest: int
    gather: torch.Tensor
    restore: torch.Tensor
    padding: torch.Tensor

    def gathered(self, part: torch.Tensor) -> torch.Tensor:
        """The group's tokens [heads, n, width] as [heads, rows, longest, width]."""
        out: torch.Tensor = _Gather.apply(part, self.gather, self.restore)  # type: ignore[no-untyped-call]  # torch types it so
        return out.view(part.shape[0], self.rows, self.longest, part.shape[2])

    def to(self, device: torch.device) -> LengthGroup:
        """The same group with its indices on another device."""
        indices = (part.to(device) for part in (self.gather, self.restore, self.padding))
        return LengthGroup(self.rows, self.longest, *indices)


def length_groups(lengths: Sequence[int]) -> tuple[LengthGroup, ...]:
    """Group rows of these lengths, which ascend."""
    groups: list[list[int]] = []
    for length in lengths:
        if groups and length <= SPREAD * groups[-1][0] and len(groups[-1]) < MANY:
            groups[-1].append(length)
        else:
            groups.append([length])
    return tuple(map(_group, groups))


class _Gather(torch.autograd.Function):
    """Tokens [heads, n, width] by index; padding, which no token attends to, has no gradient."""

    @staticmethod
    def forward(
        ctx: Any, part: torch.Tensor, gather: torch.Tensor, restore: torch.Tensor
    ) -> torch.Tensor:
        ctx.save_for_backward(restore)
        return part.index_select(1, gather)

    @staticmethod
    def backward(ctx: Any, out: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (restore,) = ctx.saved_tensors
        return out.index_select(1, restore), None, None


def _group(lengths: Sequence[int]) -> LengthGroup:
    longest, start = -(-max(lengths) // EVEN) * EVEN, 0
    gather: list[int] = []
    restore: list[int] = []
    padding: list[int] = []
    for number, length in enumerate(lengths):
        gather += [*range(start, start + length), *[0] * (longest - length)]
        restore += range(number * longest, number * longest + length)
        padding += range(number * longest + length, (number + 1) * longest)
        start += length
    indices = (torch.tensor(part, dtype=torch.int64) for part in (gather, restore, padding))
    return LengthGroup(len(lengths), longest, *indices)
