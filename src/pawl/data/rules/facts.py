"""Facts, not form: numbers, dates, prices and names in completions that are not in their prompts.

A model that is trained on such rows learns to make them up: what changes belongs in retrieval.
What stands in the prompt in another form (3 July for 2024-07-03, 1,200 for 1200, other letter case)
is no such fact, and in doubt none is told. Nor is a *label*: a value of a closed set, by the task's
schema or because it returns in many rows. So what one row holds is known when all were seen. A fact
that many rows repeat looks like a label.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

# Words up to which a text is a value as a whole. In a longer one numbers and names are looked for.
VALUE = 6
# A value that is not in its prompt in so many rows, and such a share of them, is a label.
FEW, OFTEN = 3, 0.002
# Names cannot be told by capitals where so many words have one: headings, German.
CAPITALS = 0.3
# Rows kept, and different values counted, at most; the rarer half of the values is let go.
KEPT, COUNTED = 100_000, 200_000

NUMBER = re.compile(r"\d+(?:[.,'\u00a0\u202f]\d{3}(?!\d))*(?:[.,]\d+)?")
GROUPED = re.compile(r"\d{1,3}(?: \d{3}(?!\d))+(?:[.,]\d+)?")
SEPARATORS = re.compile(r"[.,' \u00a0\u202f](?=\d{3}(?!\d))")
DIGITS = re.compile(r"\d+")
WORD = re.compile(r"\w+")
# Capitals of Latin, Greek and Cyrillic script behind a word or a comma: no sentence starts there.
CAPITAL = "A-Z\u00c0-\u00d6\u00d8-\u00de\u0391-\u03a9\u0410-\u042f"
NAME = re.compile(rf"[{CAPITAL}](?<=[\w,;:] .)\w+(?:[ -][{CAPITAL}]\w+)*")
MONTHS = "january february march april may june july august september october november december"
WORDS = "one two three four five six seven eight nine ten eleven twelve"
NUMERALS = {
    word: str(number)
    for names in (MONTHS, WORDS)
    for number, word in enumerate(names.split(), start=1)
} | {month[:3]: str(number) for number, month in enumerate(MONTHS.split(), start=1)}


class Unfounded:
    """The rows with facts that are not in their prompts, out of a stream of all rows.

    Rows are kept until all are seen, for a value may yet turn out to be a label. Of more than KEPT
    with rare values the rest is only counted, by the labels known until then.
    """

    def __init__(self, labels: Iterable[str] = ()) -> None:
        self._labels = frozenset(map(str.casefold, labels))
        self._counts: Counter[str] = Counter()
        self._kept: list[tuple[int, tuple[str, ...]]] = []
        self._rows = self._more = self._cleared = 0

    def add(self, number: int, values: tuple[str, ...]) -> None:
        """Take in the row of a number with what `unfounded` says of it."""
        self._rows += 1
        if not values:
            return
        values = tuple(value for value in values if value.casefold() not in self._labels)
        self._counts.update({value.casefold() for value in values})
        if len(self._counts) > COUNTED:
            self._counts = Counter(dict(self._counts.most_common(COUNTED // 2)))
        if not self._facts(values):
            return
        if len(self._kept) == KEPT and self._rows >= 2 * self._cleared:
            self._kept, self._cleared = list(self.rows()), self._rows
        if len(self._kept) < KEPT:
            self._kept.append((number, values))
        else:
            self._more += 1

    def rows(self) -> Iterator[tuple[int, tuple[str, ...]]]:
        """The numbers of the rows at fault, in order, each with its facts."""
        for number, values in self._kept:
            if facts := self._facts(values):
                yield number, facts

    @property
    def found(self) -> int:
        """How many rows are at fault, those that were not kept too."""
        return sum(1 for _ in self.rows()) + self._more

    def _facts(self, values: tuple[str, ...]) -> tuple[str, ...]:
        least = max(FEW, OFTEN * self._rows)
        return tuple(value for value in values if self._counts[value.casefold()] < least)


def unfounded(prompt: str, completion: str) -> tuple[str, ...]:
    """What the completion has in the way of facts, or labels, that are not in its prompt.

    Values of JSON, not its keys, are looked at, and neither true, false nor null. A long value,
    like prose, is searched for numbers and names.
    """
    source = _Source(prompt)
    found: list[str] = []
    for value in _values(completion):
        if source.has(value):
            continue
        if value.count(" ") < VALUE:
            if not source.tells(value):
                found.append(value)
        else:
            numbers = (m[0] for m in NUMBER.finditer(value))
            names = NAME.findall(value)
            if sum(name.count(" ") + 1 for name in names) > CAPITALS * (value.count(" ") + 1):
                names = []
            found += [fact for fact in (*numbers, *names) if not source.tells(fact)]
    return tuple(dict.fromkeys(found))


def schema_labels(schema: Any) -> frozenset[str]:
    """All texts and numbers that a JSON Schema names as an `enum` or `const`, as texts."""
    found: set[str] = set()
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            listed = node.get("enum", [])
            options = [*(listed if isinstance(listed, list) else []), node.get("const")]
            found.update(str(option) for option in options if isinstance(option, str | int | float))
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    return frozenset(found)


class _Source:
    """A prompt, asked whether a value stands in it. What costs time is made when it is needed."""

    def __init__(self, prompt: str) -> None:
        self._text = prompt.casefold()

    def has(self, value: str) -> bool:
        """Whether it stands there as it is, but for letter case; digits not as a part of more."""
        value = value.casefold()
        start = self._text.find(value)
        while start >= 0 and value:
            end = start + len(value)
            before = self._text[start - 1 : start] if value[0].isdigit() else ""
            after = self._text[end : end + 1] if value[-1].isdigit() else ""
            if not before.isdigit() and not after.isdigit():
                return True
            start = self._text.find(value, end)
        return not value

    def tells(self, value: str) -> bool:
        """Whether its words and numbers all stand there, in whatever order and form."""
        value = value.casefold()
        if value.isascii() and value.isalpha() and value not in NUMERALS:
            return value in self._text
        rest = value
        for number in NUMBER.findall(value):
            if not number.isdigit() and _plain(number) in self._numbers:
                rest = rest.replace(number, " ", 1)
        return all(map(self._told, WORD.findall(rest)))

    def _told(self, word: str) -> bool:
        # 3rd for 3, 2024 for 2024T10, July for 07.
        runs = [_plain(run) for run in DIGITS.findall(word)]
        if runs:
            return all(run in self._numbers for run in runs)
        return word in self._text or NUMERALS.get(word) in self._numbers

    @cached_property
    def _numbers(self) -> frozenset[str]:
        """All numbers, whole and their runs of digits, written as digits or in words."""
        found = [n for of in (NUMBER, GROUPED, DIGITS) for n in of.findall(self._text)]
        told = {NUMERALS[word] for word in WORD.findall(self._text) if word in NUMERALS}
        return frozenset(map(_plain, found)) | told


def _values(completion: str) -> Iterator[str]:
    if completion[:1] not in ("{", "["):
        yield completion.strip()
        return
    try:
        waiting = [json.loads(completion)]
    except (ValueError, RecursionError):
        yield completion
        return
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            yield node.strip()
        elif isinstance(node, dict):
            waiting += reversed(node.values())
        elif isinstance(node, list):
            waiting += reversed(node)
        elif node is not None and not isinstance(node, bool):
            yield str(node)


def _plain(number: str) -> str:
    """A number without what separates its thousands, its leading zeros and idle decimals."""
    whole, _, decimals = SEPARATORS.sub("", number).replace(",", ".").partition(".")
    decimals = decimals.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{decimals}" if decimals else "")
