"""Ungrounded facts: numbers, dates, prices and names of completions that their prompts lack.

A model that is trained on such rows learns to hallucinate them: changing facts belong in retrieval.
A value that the prompt has in another form (3 July for 2024-07-03, 1,200 for 1200, other letter
case) is grounded, and so is one in doubt. A *label*, a value of a closed set by the task's schema
or because many rows have it, is not a fact, so that facts are final only after all rows.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain, islice
from typing import Any

# Words and characters up to which a text is one value. A longer one is searched for numbers and
# names. Each value is looked up in the whole prompt: of so many, the further ones are in doubt.
VALUE_WORDS, VALUE_LENGTH = 6, 1000
MOST_VALUES = 1000
# An ungrounded value of at least so many rows, and such a share of them, is a label.
MIN_ROWS, FREQUENT = 3, 0.002
# Capitals do not mark names if this share of the words has one: headings, German.
CAPITALS = 0.3
# Limits on stored rows and on counted values, of which the rarer half is dropped.
MAX_STORED, MAX_COUNTED = 100_000, 200_000

NUMBER = re.compile(r"\d+(?:[.,'\u00a0\u202f]\d{3}(?!\d))*(?:[.,]\d+)?")
GROUPED = re.compile(r"\d{1,3}(?: \d{3}(?!\d))+(?:[.,]\d+)?")
SEPARATORS = re.compile(r"[.,' \u00a0\u202f](?=\d{3}(?!\d))")
DIGITS = re.compile(r"\d+")
# Scripts without breaks between words, whose values cannot be told apart; a sentence is no value.
WITHOUT_BREAKS = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ud7ff\uf900-\uffef]{3}"
)
SENTENCE = re.compile(r"\w \w.*\w[.!?…]$")
WORD = re.compile(r"\w+")
# Capitals of Latin, Greek and Cyrillic script after a word or comma: not at a sentence start.
CAPITAL = "A-Z\u00c0-\u00d6\u00d8-\u00de\u0391-\u03a9\u0410-\u042f"
NAME = re.compile(rf"[{CAPITAL}](?<=[\w,;:] .)\w+(?:[ -][{CAPITAL}]\w+)*")
MONTHS = "january february march april may june july august september october november december"
WORDS = "one two three four five six seven eight nine ten eleven twelve"
NUMERALS = {
    word: str(number)
    for names in (MONTHS, WORDS)
    for number, word in enumerate(names.split(), start=1)
} | {month[:3]: str(number) for number, month in enumerate(MONTHS.split(), start=1)}


class UngroundedFacts:
    """Collects rows with ungrounded facts from a stream of all rows.

    Up to MAX_STORED candidates are stored until the end, as a value may still turn out to be a
    label; a full list is pruned, now and then, by the labels found until then.
    """

    def __init__(self, labels: Iterable[str] = ()) -> None:
        self._labels = frozenset(map(str.casefold, labels))
        self._counts: Counter[str] = Counter()
        self._stored: list[tuple[int, tuple[str, ...]]] = []
        self._rows = self._pruned_at = 0

    def add(self, number: int, values: tuple[str, ...]) -> None:
        """Add a row, by its number, with its `ungrounded_values`."""
        self._rows += 1
        if not values:
            return
        values = tuple(value for value in values if value.casefold() not in self._labels)
        self._counts.update({value.casefold() for value in values})
        if len(self._counts) > MAX_COUNTED:
            self._counts = Counter(dict(self._counts.most_common(MAX_COUNTED // 2)))
        if not self._facts(values):
            return
        if len(self._stored) == MAX_STORED and self._rows >= 2 * self._pruned_at:
            self._stored, self._pruned_at = list(self.rows()), self._rows
        if len(self._stored) < MAX_STORED:
            self._stored.append((number, values))

    def rows(self) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Yield the numbers of the rows at fault, ascending, each with its facts."""
        for number, values in self._stored:
            if facts := self._facts(values):
                yield number, facts

    def _facts(self, values: tuple[str, ...]) -> tuple[str, ...]:
        least = max(MIN_ROWS, FREQUENT * self._rows)
        return tuple(value for value in values if self._counts[value.casefold()] < least)


def ungrounded_values(prompt: str, completion: str) -> tuple[str, ...]:
    """Return the completion's values, facts or labels, that its prompt lacks.

    Of JSON, all values but true, false and null; of prose and long values, numbers and names.
    """
    source = _Prompt(prompt)
    missing: list[str] = []
    for value in islice(_values(completion), MOST_VALUES):
        if source.contains(value):
            continue
        if WITHOUT_BREAKS.search(value):
            continue
        short = value.count(" ") < VALUE_WORDS and len(value) <= VALUE_LENGTH
        if short and not SENTENCE.search(value):
            if not source.grounds(value):
                missing.append(value)
        else:
            numbers = (m[0] for m in NUMBER.finditer(value))
            names = NAME.findall(value)
            if sum(name.count(" ") + 1 for name in names) > CAPITALS * (value.count(" ") + 1):
                names = []
            facts = islice(chain(numbers, names), MOST_VALUES)
            missing += [fact for fact in facts if not source.grounds(fact)]
    return tuple(dict.fromkeys(missing))


def schema_labels(schema: Any) -> frozenset[str]:
    """Return all strings and numbers in `enum` and `const` of a JSON Schema, as strings."""
    labels: set[str] = set()
    pending = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            listed = node.get("enum", [])
            options = [*(listed if isinstance(listed, list) else []), node.get("const")]
            labels.update(str(value) for value in options if isinstance(value, str | int | float))
            pending += node.values()
        elif isinstance(node, list):
            pending += node
    return frozenset(labels)


class _Prompt:
    """A prompt to look up values in; its numbers are parsed on first use."""

    def __init__(self, prompt: str) -> None:
        self._text = prompt.casefold()

    def contains(self, value: str) -> bool:
        """Whether the value occurs literally, but for case, and not within a longer number."""
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

    def grounds(self, value: str) -> bool:
        """Whether all words and numbers of the value occur, in any order and form."""
        value = value.casefold()
        if value.isascii() and value.isalpha() and value not in NUMERALS:
            return value in self._text
        rest = value
        for number in NUMBER.findall(value):
            if not number.isdigit() and _canonical(number) in self._numbers:
                rest = rest.replace(number, " ", 1)
        return all(map(self._has_word, WORD.findall(rest)))

    def _has_word(self, word: str) -> bool:
        # 3rd for 3, 2024 for 2024T10, July for 07.
        runs = [_canonical(run) for run in DIGITS.findall(word)]
        if runs:
            return all(run in self._numbers for run in runs)
        return word in self._text or NUMERALS.get(word) in self._numbers

    @cached_property
    def _numbers(self) -> frozenset[str]:
        """All numbers, whole and as runs of digits; those in words included."""
        digits = [n for of in (NUMBER, GROUPED, DIGITS) for n in of.findall(self._text)]
        in_words = {NUMERALS[word] for word in WORD.findall(self._text) if word in NUMERALS}
        return frozenset(map(_canonical, digits)) | in_words


def _values(completion: str) -> Iterator[str]:
    if completion[:1] not in ("{", "["):
        yield completion.strip()
        return
    try:
        pending = [json.loads(completion)]
    except (ValueError, RecursionError):
        yield completion
        return
    while pending:
        node = pending.pop()
        if isinstance(node, str):
            yield node.strip()
        elif isinstance(node, dict):
            pending += reversed(node.values())
        elif isinstance(node, list):
            pending += reversed(node)
        elif node is not None and not isinstance(node, bool):
            yield str(node)


def _canonical(number: str) -> str:
    """A number without thousands separators, leading zeros and trailing zero decimals."""
    whole, _, decimals = SEPARATORS.sub("", number).replace(",", ".").partition(".")
    decimals = decimals.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{decimals}" if decimals else "")
