"""Packing: rows laid end to end without padding, for as few passes through the base as fit.

A pack is one sequence for every layer that looks at single tokens, and stays apart rows for
attention: positions restart and no row sees another. So packing decides how fast a step is, never
what it learns. Rows are laid best-fit (Johnson 1974), in the order in which they come, which is the
shuffled one: sorting by length first would pack tighter and make batches unfair samples.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pawl.train.rows import Row

if TYPE_CHECKING:
    import torch

# A pack is filled up to a multiple of this by a row that nobody learns: for another number of
# tokens every product is compiled anew on CPU, and takes tiles that it does not fill on a card.
EVEN = 64


@dataclass(frozen=True)
class Pack:
    """Rows end to end, T tokens in all, N of them to learn.

    `ids` and `positions` are [1, T] token ids and places within their row; `at` [N] are the places
    in the pack whose next token is learned, `targets` [N] these tokens; `read` are these places and
    some more, to a multiple of `EVEN`. `lengths` are the rows', the one that fills the pack among
    them, in the order in which they lie, which is from short to long.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    at: torch.Tensor
    targets: torch.Tensor
    read: torch.Tensor
    lengths: tuple[int, ...]


def best_fit(lengths: Sequence[int], *, room: int) -> list[list[int]]:
    """Which rows share a pack: each goes where the least room is left that it fits in.

    Args:
        lengths: tokens of each row.
        room: tokens of a pack; a longer row has a pack of its own.

    Returns:
        Indices of the rows of each pack; every row once. O(n log n).
    """
    packs: list[list[int]] = []
    left: list[tuple[int, int]] = []  # (room left, pack), sorted
    for row, length in enumerate(lengths):
        found = bisect.bisect_left(left, (length, -1))
        if found < len(left):
            free, pack = left.pop(found)
        else:
            free, pack = max(room, length), len(packs)
            packs.append([])
        packs[pack].append(row)
        bisect.insort(left, (free - length, pack))
    return packs


def packed(rows: Sequence[Row], *, room: int) -> list[Pack]:
    """The rows in packs of at most `room` tokens."""
    plan = best_fit([len(row) for row in rows], room=room)
    return [_pack([rows[i] for i in pack]) for pack in plan]


def _pack(rows: Sequence[Row]) -> Pack:
    import torch

    missing = -sum(map(len, rows)) % EVEN
    filler = [Row("", (0,) * missing, missing)] if missing else []
    ordered = sorted([*rows, *filler], key=len)
    ids: list[int] = []
    positions: list[int] = []
    at: list[int] = []
    targets: list[int] = []
    for row in ordered:
        # A token predicts the next of its row; the row's last predicts none.
        at += range(len(ids) + row.prompt - 1, len(ids) + len(row) - 1)
        targets += row.tokens[row.prompt :]
        positions += range(len(row))
        ids += row.tokens
    learned = set(at)
    others = [place for place in range(len(ids)) if place not in learned]
    return Pack(
        ids=torch.tensor([ids]),
        positions=torch.tensor([positions]),
        at=torch.tensor(at),
        targets=torch.tensor(targets),
        read=torch.tensor(at + others[: -len(at) % EVEN]),
        lengths=tuple(map(len, ordered)),
    )
