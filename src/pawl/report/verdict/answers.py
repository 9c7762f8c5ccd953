"""An answer beside the expected one, with the differences marked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

# Words, spaces, and all else one by one.
WORDS = re.compile(r"\w+|\s+|[^\w\s]")
# Characters of a text that are shown; `pawl flips` has all.
SHOWN = 1200
# Pairs of words up to which they are matched one by one: beyond, only the ends are compared.
MATCHED = 60_000


class Piece(NamedTuple):
    """A part of an answer: as expected, `extra`, or `missing` from it."""

    kind: Literal["same", "extra", "missing"]
    text: str


def marked(answer: str, expected: str) -> list[Piece]:
    """The answer in pieces, so that its `same` and `missing` ones together are `expected`.

    Both are cut to `SHOWN` characters first.
    """
    mine, other = WORDS.findall(cut(answer)), WORDS.findall(cut(expected))
    return [Piece(kind, text) for kind, text in _pieces(mine, other) if text]


def cut(text: str) -> str:
    """The text, or its beginning and how much more there is."""
    more = len(text) - SHOWN
    return text if more <= 0 else f"{text[:SHOWN]} … and {more:,} characters more"


def _pieces(
    mine: Sequence[str], other: Sequence[str]
) -> Iterator[tuple[Literal["same", "extra", "missing"], str]]:
    for tag, a, b, c, d in _changes(mine, other):
        if tag == "equal":
            yield "same", "".join(mine[a:b])
        else:
            yield "missing", "".join(other[c:d])
            yield "extra", "".join(mine[a:b])


def _changes(mine: Sequence[str], other: Sequence[str]) -> list[tuple[str, int, int, int, int]]:
    if len(mine) * len(other) <= MATCHED:
        return list(SequenceMatcher(None, mine, other, autojunk=False).get_opcodes())
    # Matching all words takes quadratic time and more: long texts are compared from both ends.
    most = min(len(mine), len(other))
    head = next((i for i in range(most) if mine[i] != other[i]), most)
    tail = next((i for i in range(most - head) if mine[-1 - i] != other[-1 - i]), most - head)
    ends = (len(mine) - tail, len(other) - tail)
    return [
        ("equal", 0, head, 0, head),
        ("replace", head, ends[0], head, ends[1]),
        ("equal", ends[0], len(mine), ends[1], len(other)),
    ]
