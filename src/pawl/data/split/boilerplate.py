"""Boilerplate that many rows share without being copies: instructions and templates.

Frequent phrases (n-grams of words) that follow each other form a *template*; data may have dozens.
All of a template's shingles are removed from a row that has any of its phrases: one typing error in
a long instruction must not bring half of it back as the row's own content. Figures:
bench/README.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Shingles = frozenset[str]

# Characters per shingle. Of longer ones, short prompts with a typing error share too few.
SHINGLE = 3
# Words per phrase, and the share of rows above which it is part of a template. Shorter phrases turn
# plain language into templates; a data set may well have thirty.
PHRASE, FREQUENT = 4, 0.02
# A template has more rows than this.
MIN_ROWS = 20
# Two phrases belong to one template if one follows the other in at least this share of their rows.
FOLLOWS = 0.5
# Shingles in more than this share of the rows do not distinguish them.
UBIQUITOUS = 0.5


@dataclass(frozen=True)
class Content:
    """A text as shingles: `whole` is all of it, `own` without its templates."""

    whole: Shingles
    own: Shingles


class Boilerplate:
    """The templates of a set of texts, to be removed from any text."""

    def __init__(self, texts: Sequence[str]) -> None:
        least = max(MIN_ROWS, FREQUENT * len(texts))
        rows = [_phrases(text) for text in texts]
        counts = Counter(phrase for row in rows for phrase in set(row))
        self._template_of = _templates(rows, {p: n for p, n in counts.items() if n > least})
        self._shingles: defaultdict[str, set[str]] = defaultdict(set)
        for phrase, template in self._template_of.items():
            self._shingles[template] |= shingles(phrase)
        most = max(MIN_ROWS, UBIQUITOUS * len(texts))
        frequency = Counter(shingle for text in texts for shingle in shingles(text))
        self._ubiquitous = frozenset(s for s, count in frequency.items() if count > most)

    def content(self, text: str) -> Content:
        """Return the text's shingles; a removal that would leave none is skipped."""
        found = shingles(text)
        whole = found - self._ubiquitous or found
        names = {self._template_of[p] for p in _phrases(text) if p in self._template_of}
        return Content(whole, whole.difference(*(self._shingles[name] for name in names)) or whole)

    def outline(self, text: str) -> tuple[frozenset[str], list[str | None]]:
        """Return the text's templates, and its words with None for each outside a template."""
        words, phrases = text.split(), _phrases(text)
        starts = {at for at, phrase in enumerate(phrases) if phrase in self._template_of}
        covered = {at + offset for at in starts for offset in range(PHRASE)}
        names = frozenset(self._template_of[phrases[at]] for at in starts)
        return names, [word if at in covered else None for at, word in enumerate(words)]


def shingles(text: str) -> Shingles:
    """Return all character n-grams of length SHINGLE."""
    # Padded, so that the first and last letters count as often as the others.
    text = f" {text} "
    return frozenset(text[i : i + SHINGLE] for i in range(len(text) - SHINGLE + 1))


def _phrases(text: str) -> list[str]:
    words = text.split()
    return [" ".join(words[i : i + PHRASE]) for i in range(len(words) - PHRASE + 1)]


def _templates(rows: Sequence[Sequence[str]], frequent: dict[str, int]) -> dict[str, str]:
    """Return each frequent phrase's template, named by one of its phrases (union-find)."""
    followed: Counter[tuple[str, str]] = Counter()
    for row in rows:
        # What lies between two of them, a name or a number, is the row's own.
        followed.update(set(pairwise(p for p in row if p in frequent)))
    parent = {phrase: phrase for phrase in frequent}

    def root(phrase: str) -> str:
        while parent[phrase] != phrase:
            parent[phrase] = phrase = parent[parent[phrase]]
        return phrase

    for (a, b), count in sorted(followed.items()):
        if count >= FOLLOWS * max(frequent[a], frequent[b]):
            parent[root(a)] = root(b)
    return {phrase: root(phrase) for phrase in frequent}
