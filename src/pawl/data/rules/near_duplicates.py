"""Rows that nearly ask the same, and prompts that are one template with little of their own.

What is near is what is near to the split (`pawl.data.split.copies`): the same letters, or most shingles
in common, both of all and of what a row has beside the frames that it shares with many.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from pawl.core.records import Example
from pawl.core.row_identity import letters, prompt_text
from pawl.data.split.copies import jaccard
from pawl.data.split.frames import FEW, Frames
from pawl.data.split.minhash import signatures, worth_comparing

# A prompt is little else than its template with at most so many words of its own, and at most
# this share of its words.
OWN, SHARE = 5, 0.5
SHOWN = 10


@dataclass(frozen=True)
class Template:
    """`rows` are the indices of the prompts that are little else than it; `says` is how it begins.

    A gap in it, where the prompts differ, is an ellipsis.
    """

    says: str
    rows: tuple[int, ...]


def near_duplicates(rows: Sequence[Example], *, near: float) -> list[tuple[int, int, float]]:
    """Rows that nearly ask what an earlier one does, the nearest first.

    Rows with the same key are no pair: of them, the first stands for all.

    Args:
        near: the Jaccard similarity from which rows are near, in (0, 1].

    Returns:
        For each such row its index, the index of the earlier row that is most like it, and their
        similarity: 1 with the same letters, else the lesser of all shingles' and its own ones'.
    """
    firsts: dict[str, int] = {}
    for index, row in enumerate(rows):
        firsts.setdefault(row.key, index)
    # A blank prompt is like no other; the reader refuses it.
    indices = [index for index in firsts.values() if prompt_text(rows[index])]
    if not indices:
        return []
    frames = Frames([prompt_text(row) for row in rows])
    contents = [frames.content(prompt_text(rows[index])) for index in indices]
    best: dict[int, tuple[float, int]] = {}
    spelt: dict[str, int] = {}
    for at, index in enumerate(indices):
        first = spelt.setdefault(letters(rows[index]), at)
        if first != at:
            best[at] = (1.0, first)
    found = signatures([content.own for content in contents])
    for at, earlier in worth_comparing(found, near=near):
        mine, other = contents[at], contents[earlier]
        alike = min(jaccard(mine.own, other.own), jaccard(mine.whole, other.whole))
        if alike >= near and alike > best.get(at, (0.0, 0))[0]:
            best[at] = (alike, earlier)
    pairs = [(indices[at], indices[earlier], alike) for at, (alike, earlier) in best.items()]
    return sorted(pairs, key=lambda pair: (-pair[2], pair[0]))


def templates(rows: Sequence[Example]) -> list[Template]:
    """Templates of which many prompts have little more than the words, the commonest first."""
    texts = [prompt_text(row) for row in rows]
    frames = Frames(texts)
    made: defaultdict[frozenset[str], list[int]] = defaultdict(list)
    begins: dict[frozenset[str], str] = {}
    for index, text in enumerate(texts):
        names, outline = frames.outline(text)
        own = outline.count(None)
        if names and own <= min(OWN, SHARE * len(outline)):
            made[names].append(index)
            begins.setdefault(names, _beginning(outline))
    found = [
        Template(begins[names], tuple(indices))
        for names, indices in made.items()
        if len(indices) >= FEW
    ]
    return sorted(found, key=lambda template: (-len(template.rows), template.rows))


def _beginning(outline: Sequence[str | None]) -> str:
    shown = [word or "…" for word, _ in groupby(outline[:SHOWN])]
    return " ".join(shown) + (" …" if len(outline) > SHOWN and shown[-1] != "…" else "")
