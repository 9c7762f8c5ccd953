"""What rows have in common without being copies: instructions and templates around their content.

A *phrase* is a few words in a row. Phrases that stand in many rows, one behind the other, make a
*frame*; data may have dozens. What is left of a row without its frames is what it asks. All that a
frame holds is taken from a row that has any of its phrases: one typing error in a long instruction
must not bring half of it back as the row's own content. Figures: bench/README.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Shingles = frozenset[str]

# Characters a shingle. Short prompts with a typing error keep too few of longer ones.
SHINGLE = 3
# Words a phrase, and the share of rows from which on it is part of a frame. Shorter phrases make
# frames of plain language; a data set may well have thirty templates.
PHRASE, OFTEN = 4, 0.02
# What not even so many rows have in common is no frame.
FEW = 20
# Two phrases belong to one frame if one follows the other at least this often.
FOLLOWS = 0.5
# Shingles of more than this share of rows say nothing about any, whatever phrase they stand in.
MOST = 0.5


@dataclass(frozen=True)
class Content:
    """A text as shingles: `whole` is all of it, `own` what it has beside its frames."""

    whole: Shingles
    own: Shingles


class Frames:
    """The frames of some texts, ready to be taken from any text."""

    def __init__(self, texts: Sequence[str]) -> None:
        least = max(FEW, OFTEN * len(texts))
        rows = [_phrases(text) for text in texts]
        often = {p: n for p, n in Counter(p for row in rows for p in set(row)).items() if n > least}
        self._frame = _linked(rows, often)
        held: dict[str, set[str]] = {}
        for phrase, frame in self._frame.items():
            held.setdefault(frame, set()).update(shingles(phrase))
        self._shingles = {frame: frozenset(found) for frame, found in held.items()}
        counts = Counter(shingle for text in texts for shingle in shingles(text))
        most = max(FEW, MOST * len(texts))
        self._everywhere = frozenset(s for s, count in counts.items() if count > most)

    def content(self, text: str) -> Content:
        """The text's shingles; what would leave none leaves all."""
        found = shingles(text)
        whole = found - self._everywhere or found
        frames = {self._frame[p] for p in _phrases(text) if p in self._frame}
        return Content(whole, whole.difference(*(self._shingles[f] for f in frames)) or whole)

    def outline(self, text: str) -> tuple[frozenset[str], list[str | None]]:
        """The text's frames, and its words with None for each that stands in no frame."""
        words, phrases = text.split(), _phrases(text)
        found = {at for at, phrase in enumerate(phrases) if phrase in self._frame}
        framed = {at + step for at in found for step in range(PHRASE)}
        names = frozenset(self._frame[phrases[at]] for at in found)
        return names, [word if at in framed else None for at, word in enumerate(words)]


def shingles(text: str) -> Shingles:
    """All runs of SHINGLE characters."""
    # Blanks around it, so that the first and last letters count as often as the others.
    text = f" {text} "
    return frozenset(text[i : i + SHINGLE] for i in range(len(text) - SHINGLE + 1))


def _phrases(text: str) -> list[str]:
    words = text.split()
    return [" ".join(words[i : i + PHRASE]) for i in range(len(words) - PHRASE + 1)]


def _linked(rows: Sequence[Sequence[str]], often: dict[str, int]) -> dict[str, str]:
    """Each frequent phrase's frame, named by one of its phrases (union-find)."""
    followed: Counter[tuple[str, str]] = Counter()
    for row in rows:
        # What stands between two of them, a name or a number, is the row's own.
        followed.update(set(pairwise(p for p in row if p in often)))
    above = {phrase: phrase for phrase in often}

    def top(phrase: str) -> str:
        while above[phrase] != phrase:
            above[phrase] = phrase = above[above[phrase]]
        return phrase

    for (a, b), count in sorted(followed.items()):
        if count >= FOLLOWS * max(often[a], often[b]):
            above[top(a)] = top(b)
    return {phrase: top(phrase) for phrase in often}
