"""Copies of held-out rows among the train rows: the same letters, or most of the same shingles.

Which pairs are worth comparing is found by MinHash (`pawl.data.split.minhash`). Each such pair is then
held to its true Jaccard similarity, so that chance can miss a copy now and then but never calls a
row one. What rows share as a frame is no resemblance (`pawl.data.split.frames`).
Shingle length and threshold were measured: bench/README.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from pawl.core.records import Example, HeldOutRow
from pawl.core.row_identity import Row, letters, prompt_text
from pawl.data.split.frames import Frames, Shingles
from pawl.data.split.minhash import Index


class HeldOut:
    """Rows that train must not resemble, ready to be asked."""

    def __init__(self, rows: Sequence[Row], *, frames: Frames, near: float) -> None:
        self._frames, self._near = frames, near
        self._letters = {letters(row) for row in rows}
        self._contents = list(dict.fromkeys(frames.content(prompt_text(row)) for row in rows))
        self._index = Index([content.own for content in self._contents], near=near)

    def has_copy(self, row: Row) -> bool:
        """Whether one of them is the row, but for blanks and punctuation."""
        return letters(row) in self._letters

    def has_near(self, row: Row) -> bool:
        """Whether one of them shares at least `near` of the row's shingles.

        Both of what it has beside its frames, and of all: the same city in another question is
        another row.
        """
        mine = self._frames.content(prompt_text(row))
        asked = (self._contents[number] for number in self._index.query(mine.own))
        return any(
            jaccard(mine.own, other.own) >= self._near
            and jaccard(mine.whole, other.whole) >= self._near
            for other in asked
        )


def without_copies(
    train: Sequence[Example],
    held_out: Sequence[Example],
    known: Sequence[HeldOutRow],
    *,
    near: float,
) -> tuple[list[Example], dict[str, int]]:
    """The train rows that resemble no held-out row, and how many each reason left out.

    Args:
        train: the rows dealt to train.
        held_out: the present dev and gate rows.
        known: gate rows that the ledger's store remembers, of every lineage of the task.
        near: the Jaccard similarity from which a row is a near-copy, in (0, 1].

    Returns:
        The rows kept, in order, and counts: `copy` and `near_copy` of a present held-out row, else
        `known_gate_row` for a row that is, or nearly is, a known one. In this order a row that
        becomes known while it is held out changes nothing.
    """
    # Known rows have no say in what is a frame: a split may not change by having been looked at.
    frames = Frames([prompt_text(row) for row in (*train, *held_out)])
    present = HeldOut(held_out, frames=frames, near=near)
    sealed = HeldOut(known, frames=frames, near=near)
    kept: list[Example] = []
    dropped = {"copy": 0, "near_copy": 0, "known_gate_row": 0}
    for row in train:
        if present.has_copy(row):
            dropped["copy"] += 1
        elif present.has_near(row):
            dropped["near_copy"] += 1
        elif sealed.has_copy(row) or sealed.has_near(row):
            dropped["known_gate_row"] += 1
        else:
            kept.append(row)
    return kept, dropped


def jaccard(a: Shingles, b: Shingles) -> float:
    """The share of all shingles of two rows that stands in both, in [0, 1]."""
    both = len(a & b)
    return both / (len(a) + len(b) - both)
