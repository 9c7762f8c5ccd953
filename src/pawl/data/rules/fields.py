"""What the completions say, field by field, and which of it can be judged by what other rows say.

A completion that is a JSON object has a field for each path in it, any other text is one field
without a name. A field is *copied* where its values stand in the prompts, a *label* where few
values stand in many rows; of any other, free text above all, nothing is said.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pawl.core.row_identity import normalise
from pawl.data.read.excerpt import excerpt

# Letters of scripts that put no blanks between words count as words.
TOKEN = re.compile(r"[\u2e80-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]|\w+|[^\w\s]")
# A value that stands in fewer rows is no label; a field has at most so many labels, and they make
# up this share of its values.
FEW, LABELS, MOST = 5, 100, 0.9
# From these shares of values that stand in their prompts a field is copied: an open one, and one
# with few values, which may do so by chance (a category "refund").
COPIED, COPIED_LABEL = 0.65, 0.9
SHOWN = 40
# Objects and lists in a completion; it also bounds how deep they nest.
PARTS = 100


@dataclass(frozen=True)
class Field:
    """One field of all rows: a value a row, None where a row's is null or missing.

    `stands` says of each row whether its value stands in its prompt; a row without a value has
    none that could.
    """

    name: str
    kind: Literal["label", "copied"]
    values: tuple[str | None, ...]
    stands: tuple[bool, ...]

    @cached_property
    def often(self) -> dict[str | None, int]:
        """The values that stand in FEW rows at least, and in how many; None is one of them."""
        return {value: n for value, n in Counter(self.values).items() if n >= FEW}

    def says(self, value: str | None) -> str:
        """A value in words: `category=refund`, or `refund` where the completion is the label.

        What is no label may be a secret: of that, only the shape is told.
        """
        if value is None:
            shown = "null"
        elif self.kind == "label" and value in self.often:
            shown = value if len(value) <= SHOWN else f"{value[: SHOWN - 1]}…"
        else:
            shown = excerpt(value)
        return f"{self.name}={shown}" if self.name else shown


def fields_of(completions: Sequence[str], prompts: Sequence[str]) -> list[Field]:
    """The fields that can be judged, in the order in which they first occur.

    Args:
        completions: one a row.
        prompts: each row's prompt, normalised.
    """
    said = [_parsed(completion) for completion in completions]
    objects = sum(isinstance(value, dict) for value in said)
    # A text among objects is a broken completion, which the schema's rule names.
    rows = [
        dict(_leaves(value)) if isinstance(value, dict) else {}
        if objects * 2 >= len(said)
        else {"": completion}
        for value, completion in zip(said, completions, strict=True)
    ]  # fmt: skip
    texts = [f" {' '.join(tokens(prompt))} " for prompt in prompts]
    names = dict.fromkeys(name for row in rows for name in row)
    found = (_judged(name, [row.get(name) for row in rows], texts) for name in names)
    return [field for field in found if field is not None]


def tokens(text: str) -> list[str]:
    """Words, numbers and marks of a normalised text."""
    return TOKEN.findall(text)


def _judged(name: str, values: Sequence[Any], texts: Sequence[str]) -> Field | None:
    spoken = [None if value is None else _text(value) for value in values]
    stands = [
        value is not None and _stands(value, text)
        for value, text in zip(values, texts, strict=True)
    ]
    given = len(spoken) - spoken.count(None)
    if given < FEW:
        return None
    often = [n for v, n in Counter(spoken).items() if n >= FEW and v is not None]
    label = sum(often) >= MOST * given and 1 < len(often) + (given < len(spoken)) <= LABELS
    if sum(stands) >= (COPIED_LABEL if label else COPIED) * given:
        return Field(name, "copied", tuple(spoken), tuple(stands))
    return Field(name, "label", tuple(spoken), tuple(stands)) if label else None


def _stands(value: Any, text: str) -> bool:
    """Whether each text and number of a value is a run of whole tokens of the prompt."""
    parts = list(_scalars(value))
    return bool(parts) and all(
        f" {' '.join(tokens(normalise(_text(part))))} " in text for part in parts
    )


def _leaves(value: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """The paths of an object and what stands there; a list is one value."""
    for name, part in value.items():
        if isinstance(part, dict):
            yield from _leaves(part, f"{path}{name}.")
        else:
            yield path + name, part


def _scalars(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _scalars(part)
    else:
        yield value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _parsed(completion: str) -> Any:
    """The JSON value of a completion; None for what is none, or has too many parts for labels."""
    if completion.count("{") + completion.count("[") > PARTS:
        return None
    try:
        return json.loads(completion)
    except ValueError:
        return None
