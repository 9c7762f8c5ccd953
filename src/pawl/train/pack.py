"""Packing: rows are concatenated without padding, for as few passes through the base as possible.

A pack is one sequence for all layers but attention, which is computed within each row: positions
restart and no row attends to another. So packing decides how fast a step is, never what it learns.
Rows are packed best-fit (Johnson 1974) in their given order, which is shuffled: sorting by length
first would pack tighter and make batches biased samples.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pawl.train.rows import Row

if TYPE_CHECKING:
    import torch

# A pack is filled up to a multiple of this by a row without targets: each new number of tokens is
# compiled anew on CPU, and leaves tiles half empty on a GPU.
EVEN = 64


@dataclass(frozen=True)
class Pack:
    """Concatenated rows: T tokens in all, N of them targets.

    `ids` and `positions` are [1, T] token ids and positions within their row; `at` [N] are the
    indices in the pack whose next token is a target, `targets` [N] these tokens; `read` are `at`
    and further indices up to a multiple of `EVEN`. `lengths` are the rows' in the pack's order,
    which ascends, that of the filler row included.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    at: torch.Tensor
    targets: torch.Tensor
    read: torch.Tensor
    lengths: tuple[int, ...]


def best_fit(lengths: Sequence[int], *, room: int) -> list[list[int]]:
    """Best-fit bin packing: each row goes into the pack with the least room left that it fits.

    Args:
        lengths: tokens of each row.
        room: the most tokens of a pack; a longer row has a pack of its own.

    Returns:
        Indices of the rows of each pack; every row once. O(n log n).
    """
    packs: list[list[int]] = []
    left: list[tuple[int, int]] = []  # (room left, pack), sorted
    for row, length in enumerate(lengths):
        index = bisect.bisect_left(left, (length, -1))
        if index < len(left):
            free, pack = left.pop(index)
        else:
            free, pack = max(room, length), len(packs)
            packs.append([])
        packs[pack].append(row)
        bisect.insort(left, (free - length, pack))
    return packs


def packed(rows: Sequence[Row], *, room: int, apart: bool = False) -> list[Pack]:
    """Put the rows into packs of at most `room` tokens, or each `apart` into a pack of its own."""
    if apart:
        return [_pack([row], filler_last=True) for row in rows]
    plan = best_fit([len(row) for row in rows], room=room)
    return [_pack([rows[i] for i in pack]) for pack in plan]


def _pack(rows: Sequence[Row], *, filler_last: bool = False) -> Pack:
    """`filler_last`: after the row, where nothing of it reaches a row by any causal layer."""
    import torch

    missing = -sum(map(len, rows)) % EVEN
    filler = [Row("", (0,) * missing, missing)] if missing else []
    ordered = [*rows, *filler] if filler_last else sorted([*rows, *filler], key=len)
    ids: list[int] = []
    positions: list[int] = []
    at: list[int] = []
    targets: list[int] = []
    for row in ordered:
        # A token predicts the next of its row; the row's last predicts none.
        for span in row.taught:
            at += range(len(ids) + span.start - 1, len(ids) + span.stop - 1)
            targets += row.tokens[span.start : span.stop]
        positions += range(len(row))
        ids += row.tokens
    used = set(at)
    others = [index for index in range(len(ids)) if index not in used]
    return Pack(
        ids=torch.tensor([ids]),
        positions=torch.tensor([positions]),
        at=torch.tensor(at),
        targets=torch.tensor(targets),
        read=torch.tensor(at + others[: -len(at) % EVEN]),
        lengths=tuple(map(len, ordered)),
    )
