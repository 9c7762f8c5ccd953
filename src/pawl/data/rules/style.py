"""Style of completions, and the rows that break a convention of the data.

Rows that differ in a blank, key order or a capital make a model guess. A *trait* is an aspect of
style and a completion's variant of it, such as ("separators", "compact"). A variant is the
*convention* of its aspect if nearly all rows with the aspect have it; without one no row is at
fault.
"""

from __future__ import annotations

import json
import re
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

Trait = tuple[str, str]

# The share of rows that makes a variant the convention, and the least number of rows of its aspect.
CONVENTION, MIN_ROWS = 0.8, 20
# Limits on distinct traits and on stored rows of each; further rows are only counted.
MAX_TRAITS, MAX_STORED = 20_000, 100_000
# People write sentences in several ways: of these aspects only what nearly all do is a convention.
OF_SENTENCES, SENTENCES = ("form", "first letter", "end"), 0.98
# Characters up to which a JSON value may be a label.
LABEL = 40
# Words from which a text is prose.
PROSE = 4
ENDS = ".!?…。！？\"')”»"

STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
DIVIDERS = re.compile(r"[\W_]+")
# Statements of a language for machines, which end and begin as its grammar says.
CODE = re.compile(
    r"\A\s*(?:SELECT|WITH|INSERT|UPDATE|DELETE|CREATE|def |class |import |from \w+ import|#include|"
    r"<[a-z!?]|function |public |var |let |const |package )|[;{}]\s*\Z|\)\s*\Z",
    re.IGNORECASE,
)


class StyleConventions:
    """Collects traits from a stream of rows, and the rows that break a convention."""

    def __init__(self) -> None:
        self._aspects: defaultdict[str, dict[str, _Variant]] = defaultdict(dict)
        self._size = 0

    def add(self, number: int, found: tuple[Trait, ...]) -> None:
        """Add a row, by its number, with its `traits`."""
        for aspect, name in found:
            variants = self._aspects[aspect]
            variant = variants.get(name)
            if variant is None:
                variant = variants[name] = _Variant()
                self._size += 1
            variant.count += 1
            if variant.count <= MAX_STORED:
                variant.rows.append(number)
        if self._size > MAX_TRAITS:
            self._drop_rare_aspects()

    def rows(self) -> Iterator[tuple[int, str]]:
        """Yield the numbers of the rows that break a convention, ascending, and how they do."""
        breaches: defaultdict[int, list[str]] = defaultdict(list)
        for aspect, variants in self._aspects.items():
            convention, variant = max(variants.items(), key=lambda item: item[1].count)
            share = variant.count / (total := _rows_of(variants))
            least = SENTENCES if aspect in OF_SENTENCES else CONVENTION
            if total < MIN_ROWS or share < least:
                continue
            for name, variant in variants.items():
                for number in variant.rows if name != convention else ():
                    text = f"{aspect}: {name}; {100 * share:.3g} % of rows: {convention}"
                    breaches[number].append(text)
        for number in sorted(breaches):
            yield number, ". ".join(breaches[number])

    def _drop_rare_aspects(self) -> None:
        """Drop the aspects of fewest rows: open-ended ones have no convention."""
        ranked = sorted(self._aspects.items(), key=lambda item: -_rows_of(item[1]))
        self._size = 0
        for aspect, variants in ranked:
            if self._size > MAX_TRAITS // 2:
                del self._aspects[aspect]
            else:
                self._size += len(variants)


def traits(completion: str, prompt: str = "") -> tuple[Trait, ...]:
    """Return a completion's traits, without spelling and order of values copied from its prompt."""
    text = completion.strip()
    found = [("blanks around", _blanks_around(completion, text))]
    if text[:1] in ("{", "["):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return (*found, ("form", "like JSON, which it is not"))
        return (*found, ("form", "JSON"), *_json_traits(text, value, prompt))
    form = "text in a code fence" if text.startswith("```") else "text"
    return (*found, ("form", form), *_text_traits(text))


def is_free_text(completion: str) -> bool:
    """Whether an answer is in sentences: of such a text there may be several that are right."""
    text = completion.strip()
    words = text.count(" ") + 1
    spoken = words >= PROSE or not text.isascii()
    return text[:1] not in ("{", "[") and spoken and (len(text) > LABEL or text[-1:] in ENDS)


def _blanks_around(completion: str, text: str) -> str:
    if len(text) == len(completion):
        return "none"
    before = completion[: len(completion) - len(completion.lstrip())]
    after = completion[len(completion.rstrip()) :]
    names, found = {"\n": "a line end", " ": "a blank"}, ((before, "before"), (after, "after"))
    return " and ".join(f"{names.get(blanks, 'blanks')} {at}" for blanks, at in found if blanks)


def _json_traits(text: str, value: Any, prompt: str) -> Iterator[Trait]:
    if "\n" in text:
        indent = len(text) - len(text[1:].lstrip()) - 1
        yield "separators", f"lines, indented by {text[1 : indent + 1].count(' ')}"
    else:
        name = _separators(text)
        # A string value may look like a separator.
        yield "separators", name if name != "mixed" else _separators(STRING.sub('""', text))
    if not text.isascii():
        yield "other letters than ASCII", "as they are"
    elif "\\u" in text:
        yield "other letters than ASCII", "escaped"
    if isinstance(value, dict):
        yield from _object_traits(value, prompt)


def _separators(text: str) -> str:
    colons, commas = text.count('":'), text.count(',"')
    spaced_colons, spaced_commas = text.count('": '), text.count(', "')
    if not spaced_colons and not spaced_commas:
        return "compact"
    if spaced_colons == colons and not commas:
        return "with blanks"
    return "mixed"


def _object_traits(value: Mapping[str, Any], prompt: str) -> Iterator[Trait]:
    copied = []
    for key, inner in value.items():
        kind = KINDS.get(type(inner))
        # A key may be absent, null, or a list of several values.
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


def _text_traits(text: str) -> Iterator[Trait]:
    if not text:
        return
    if text.count(" ") + 1 < PROSE:
        if len(text) <= LABEL:
            yield f"spelt {DIVIDERS.sub('', text).casefold()}", text
        return
    if CODE.search(text):
        return
    if text[0].isalpha():
        yield "first letter", "small" if text[0].islower() else "capital"
    yield "end", "with punctuation" if text[-1] in ENDS else "without punctuation"


def _rows_of(variants: Mapping[str, _Variant]) -> int:
    return sum(variant.count for variant in variants.values())


KINDS = {str: "a text", int: "a number", float: "a number", bool: "true or false"}


class _Variant:
    __slots__ = ("count", "rows")

    def __init__(self) -> None:
        self.count = 0
        self.rows = array("I")
