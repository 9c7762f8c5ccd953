"""The manner in which completions are written, and the rows that break the data's own custom.

A model learns exactly what it is shown: rows that differ in a blank, a key's place or a capital
make it guess. A *trait* is an aspect and the way that a completion has it, such as ("separators",
"compact"). A way is the *custom* of its aspect if nearly all rows that have the aspect have it so;
where there is none, rows differ for a reason or nobody decided, and no row is at fault.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Iterator, Mapping
from typing import Any

Trait = tuple[str, str]

# The share of rows that makes a way the custom, and how many rows must have the aspect at all.
CUSTOM, LEAST = 0.8, 20
# Different traits and, of each, rows that are kept at most; further rows are only counted.
TRAITS, KEPT = 20_000, 100_000
# Characters up to which a value of JSON may be a label.
LABEL = 40
# Words from which on a text is prose.
PROSE = 4

STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
DIVIDERS = re.compile(r"[\W_]+")
CURLY, STRAIGHT = re.compile("[\u2018-\u201f\u00ab\u00bb\u2039\u203a]"), re.compile("[\"']")


class Style:
    """The traits of a stream of rows, and the rows that break a custom."""

    def __init__(self) -> None:
        self._aspects: dict[str, dict[str, _Way]] = {}
        self._size = 0

    def add(self, number: int, found: tuple[Trait, ...]) -> None:
        """Take in the row of a number with what `traits` says of it."""
        for aspect, how in found:
            ways = self._aspects.get(aspect)
            if ways is None:
                ways = self._aspects[aspect] = {}
            way = ways.get(how)
            if way is None:
                way = ways[how] = _Way()
                self._size += 1
            way.count += 1
            if way.count <= KEPT:
                way.rows.append(number)
        if self._size > TRAITS:
            self._forget()

    def customs(self) -> dict[str, tuple[str, float]]:
        """Each aspect's most frequent way with its share, of aspects that LEAST rows have."""
        found = {}
        for aspect, ways in self._aspects.items():
            total = sum(way.count for way in ways.values())
            if total >= LEAST:
                top = max(ways, key=lambda how, ways=ways: ways[how].count)  # type: ignore[misc]
                found[aspect] = (top, ways[top].count / total)
        return found

    def rows(self) -> Iterator[tuple[int, str]]:
        """The numbers of the rows that break a custom, in order, and how they do."""
        broken: dict[int, list[str]] = {}
        for aspect, custom, share, how, way in self._breaches():
            for number in way.rows:
                broken.setdefault(number, []).append(
                    f"{aspect}: {how}; {share:.3g} % of rows: {custom}"
                )
        for number in sorted(broken):
            yield number, ". ".join(broken[number])

    @property
    def found(self) -> int:
        """How many rows break a custom; of rows that were not kept, only how many break each."""
        more = sum(way.count - len(way.rows) for *_, way in self._breaches())
        return len({number for *_, way in self._breaches() for number in way.rows}) + more

    def _breaches(self) -> Iterator[tuple[str, str, float, str, _Way]]:
        for aspect, (custom, share) in self.customs().items():
            if share >= CUSTOM:
                for how, way in self._aspects[aspect].items():
                    if how != custom:
                        yield aspect, custom, 100 * share, how, way

    def _forget(self) -> None:
        """Let the aspects that fewest rows have go: what is open-ended has no custom."""
        counts = {a: sum(way.count for way in ways.values()) for a, ways in self._aspects.items()}
        kept = sorted(counts, key=lambda aspect: -counts[aspect])
        self._size = 0
        for at, aspect in enumerate(kept):
            if self._size > TRAITS // 2:
                for rare in kept[at:]:
                    del self._aspects[rare]
                return
            self._size += len(self._aspects[aspect])


def traits(completion: str, prompt: str = "") -> tuple[Trait, ...]:
    """The manner of a completion, but for what follows its prompt: spelling and place of a copy."""
    text = completion.strip()
    found = [("blanks around", _around(completion, text))]
    value: Any = None
    if text[:1] in ("{", "["):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return (*found, ("form", "like JSON, which it is not"))
        return (*found, ("form", "JSON"), *_of_json(text, value, prompt))
    form = "text in a code fence" if text.startswith("```") else "text"
    return (*found, ("form", form), *_of_text(text))


def _around(completion: str, text: str) -> str:
    if len(text) == len(completion):
        return "none"
    before = completion[: len(completion) - len(completion.lstrip())]
    after = completion[len(completion.rstrip()) :]
    told = {"\n": "a line end", " ": "a blank"}
    ways = [
        f"{told.get(of, 'blanks')} {at}" for of, at in ((before, "before"), (after, "after")) if of
    ]
    return " and ".join(ways)


def _of_json(text: str, value: Any, prompt: str) -> Iterator[Trait]:
    if "\n" in text:
        indent = len(text) - len(text[1:].lstrip()) - 1
        yield "separators", f"lines, indented by {text[1 : indent + 1].count(' ')}"
    else:
        way = _separators(text)
        # A text in it may look like a separator.
        yield "separators", way if way != "mixed" else _separators(STRING.sub('""', text))
    if not text.isascii():
        yield "other letters than ASCII", "as they are"
    elif "\\u" in text:
        yield "other letters than ASCII", "escaped"
    if isinstance(value, dict):
        yield from _of_object(value, prompt)


def _separators(text: str) -> str:
    colons, commas = text.count('":'), text.count(',"')
    blanks, spaces = text.count('": '), text.count(', "')
    if not blanks and not spaces:
        return "compact"
    if blanks == colons and not commas:
        return "with blanks"
    return "mixed"


def _of_object(value: Mapping[str, Any], prompt: str) -> Iterator[Trait]:
    copied = []
    for key, inner in value.items():
        kind = KINDS.get(type(inner))
        # A key may be absent, null, or a list where a row has several.
        if kind is None:
            continue
        yield f"{key} is", kind
        if not isinstance(inner, str) or len(inner) > LABEL:
            continue
        place = prompt.find(inner)
        if place < 0:
            yield f"{key}, spelt {DIVIDERS.sub('', inner).casefold()}", inner
        else:
            copied.append(place)
    if len(value) > 1 and (len(copied) < 2 or copied != sorted(copied)):
        yield "order of the keys " + ", ".join(sorted(value)), ", ".join(value)


def _of_text(text: str) -> Iterator[Trait]:
    if CURLY.search(text):
        yield "quotes", "curly"
    elif STRAIGHT.search(text):
        yield "quotes", "straight"
    if not text:
        return
    if text.count(" ") + 1 < PROSE:
        if len(text) <= LABEL:
            yield f"spelt {DIVIDERS.sub('', text).casefold()}", text
        return
    if text[0].isalpha():
        yield "first letter", "small" if text[0].islower() else "capital"
    yield "end", "with punctuation" if text[-1] in ".!?…。！？\"')”»" else "without punctuation"


KINDS = {str: "a text", int: "a number", float: "a number", bool: "true or false"}


class _Way:
    __slots__ = ("count", "rows")

    def __init__(self) -> None:
        self.count = 0
        self.rows = array("I")
