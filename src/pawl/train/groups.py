"""Rows of a pack, lifted out of it in batches of similar length and padded on the right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

# Rows up to this much longer than the shortest of a group are padded into one batch.
SPREAD = 1.5
# So many rows are a batch: their scores stay in the cache, and batches differ less in shape.
MANY = 4
# A group is padded to a multiple of this: products of odd widths are slow, and of many widths each
# is compiled anew.
EVEN = 32


@dataclass(frozen=True)
class Group:
    """Rows of similar length: `lift` [rows * longest] are places among the group's tokens (padding
    repeats the first), `drop` those of the lifted that are no padding, in the pack's order,
    `padding` the others."""

    rows: int
    longest: int
    lift: torch.Tensor
    drop: torch.Tensor
    padding: torch.Tensor

    def lifted(self, part: torch.Tensor) -> torch.Tensor:
        """The group's tokens [heads, n, width] as [heads, rows, longest, width]."""
        out: torch.Tensor = _Lift.apply(part, self.lift, self.drop)  # type: ignore[no-untyped-call]  # torch types it so
        return out.view(part.shape[0], self.rows, self.longest, part.shape[2])


def groups(lengths: Sequence[int]) -> tuple[Group, ...]:
    """The groups of rows of these lengths, which go from short to long."""
    found: list[list[int]] = []
    for length in lengths:
        if found and length <= SPREAD * found[-1][0] and len(found[-1]) < MANY:
            found[-1].append(length)
        else:
            found.append([length])
    return tuple(map(_group, found))


class _Lift(torch.autograd.Function):
    """Tokens [heads, n, width] by places; no gradient comes from padding, which nobody looks at."""

    @staticmethod
    def forward(
        ctx: Any, part: torch.Tensor, lift: torch.Tensor, drop: torch.Tensor
    ) -> torch.Tensor:
        ctx.save_for_backward(drop)
        return part.index_select(1, lift)

    @staticmethod
    def backward(ctx: Any, out: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (drop,) = ctx.saved_tensors
        return out.index_select(1, drop), None, None


def _group(lengths: Sequence[int]) -> Group:
    longest, start = -(-max(lengths) // EVEN) * EVEN, 0
    lift: list[int] = []
    drop: list[int] = []
    padding: list[int] = []
    for number, length in enumerate(lengths):
        lift += [*range(start, start + length), *[0] * (longest - length)]
        drop += range(number * longest, number * longest + length)
        padding += range(number * longest + length, (number + 1) * longest)
        start += length
    where = (torch.tensor(part, dtype=torch.int64) for part in (lift, drop, padding))
    return Group(len(lengths), longest, *where)
