"""Train/test leakage: copies and near-copies of held-out rows among the train rows.

MinHash proposes candidate pairs, whose exact Jaccard similarity decides: chance may miss a copy but
never removes another row. Shared boilerplate does not count. Figures: bench/README.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from pawl.core.records import Example, HeldOutRow
from pawl.core.row_identity import Row, letters, prompt_text
from pawl.data.split.boilerplate import Boilerplate, Shingles
from pawl.data.split.minhash import MinHashIndex


class HeldOutIndex:
    """Index of held-out rows, to look up copies and near-copies."""

    def __init__(self, rows: Sequence[Row], *, boilerplate: Boilerplate, near: float) -> None:
        self._boilerplate, self._near = boilerplate, near
        self._letters = {letters(row) for row in rows}
        self._contents = list(dict.fromkeys(boilerplate.content(prompt_text(row)) for row in rows))
        self._index = MinHashIndex([content.own for content in self._contents], near=near)

    def has_copy(self, row: Row) -> bool:
        """Whether a held-out row has the same letters: equal but for blanks and punctuation."""
        return letters(row) in self._letters

    def has_near_copy(self, row: Row) -> bool:
        """Whether a held-out row's Jaccard similarity with the row is at least `near`.

        Both without and with boilerplate: the same city in another question is another row.
        """
        mine = self._boilerplate.content(prompt_text(row))
        candidates = (self._contents[number] for number in self._index.query(mine.own))
        return any(
            jaccard(mine.own, other.own) >= self._near
            and jaccard(mine.whole, other.whole) >= self._near
            for other in candidates
        )


def without_copies(
    train: Sequence[Example],
    held_out: Sequence[Example],
    registered: Sequence[HeldOutRow],
    *,
    near: float,
) -> tuple[list[Example], dict[str, int]]:
    """Remove train rows that are copies or near-copies of held-out rows.

    Args:
        train: the rows assigned to train.
        held_out: the present dev and gate rows.
        registered: gate rows of the held-out register, of every gate split of the task.
        near: the Jaccard similarity, in (0, 1], from which a row is a near-copy.

    Returns:
        The remaining rows, in order, and counts of those removed: `copy` and `near_copy` of a
        present held-out row, else `known_gate_row`, of a registered one; in this order, registering
        a row that is held out changes no count.
    """
    # Without registered rows: what counts as boilerplate must not depend on earlier looks.
    boilerplate = Boilerplate([prompt_text(row) for row in (*train, *held_out)])
    present = HeldOutIndex(held_out, boilerplate=boilerplate, near=near)
    register = HeldOutIndex(registered, boilerplate=boilerplate, near=near)
    remaining: list[Example] = []
    dropped = {"copy": 0, "near_copy": 0, "known_gate_row": 0}
    for row in train:
        if present.has_copy(row):
            dropped["copy"] += 1
        elif present.has_near_copy(row):
            dropped["near_copy"] += 1
        elif register.has_copy(row) or register.has_near_copy(row):
            dropped["known_gate_row"] += 1
        else:
            remaining.append(row)
    return remaining, dropped


def jaccard(a: Shingles, b: Shingles) -> float:
    """Return the Jaccard similarity of two shingle sets, in [0, 1]."""
    both = len(a & b)
    return both / (len(a) + len(b) - both)
