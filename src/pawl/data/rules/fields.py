"""Fields of the completions, and which of them other rows can check.

A JSON object has a field per path, any other completion is one unnamed field. A field is *copied*
if its values mostly occur in their prompts, a *label* if few values cover most rows; any other,
above all free text, is not checked.
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
from pawl.data.read.redaction import redacted_excerpt

# Words, numbers and punctuation marks; a character of a script without blanks is a word.
TOKEN = re.compile(r"[\u2e80-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]|\w+|[^\w\s]")
# The least number of rows of a label, the most labels of a field, and the least share of the
# field's values that they cover.
MIN_ROWS, MAX_LABELS, COVERED = 5, 100, 0.9
# The share of values that occur in their prompts from which a field is copied: an open field, and
# one with few values, which may do so by chance (a category "refund").
COPIED, COPIED_LABEL = 0.65, 0.9
SHOWN = 40
# Maximum number of objects and lists in a completion; it also bounds their nesting.
MAX_PARTS = 100


@dataclass(frozen=True)
class Field:
    """One field of all rows: a value per row, None if it is null or missing.

    `in_prompt` is True for each row whose value occurs in its prompt.
    """

    name: str
    kind: Literal["label", "copied"]
    values: tuple[str | None, ...]
    in_prompt: tuple[bool, ...]

    @cached_property
    def frequent(self) -> dict[str | None, int]:
        """The values of at least MIN_ROWS rows, None included, and their counts."""
        return {value: n for value, n in Counter(self.values).items() if n >= MIN_ROWS}

    def describe(self, value: str | None) -> str:
        """Format a value: `category=refund`, or `refund` if the completion is the label.

        Any value but a label may be a secret, and is redacted.
        """
        if value is None:
            shown = "null"
        elif self.kind == "label" and value in self.frequent:
            shown = value if len(value) <= SHOWN else f"{value[: SHOWN - 1]}…"
        else:
            shown = redacted_excerpt(value)
        return f"{self.name}={shown}" if self.name else shown


def fields_of(completions: Sequence[str], prompts: Sequence[str]) -> list[Field]:
    """Return the copied and label fields, in order of first occurrence; prompts are normalised."""
    parsed = [_parsed(completion) for completion in completions]
    objects = sum(isinstance(value, dict) for value in parsed)
    # Text among objects is a malformed completion, which the rule `schema` reports.
    rows = [
        dict(_leaves(value)) if isinstance(value, dict) else {}
        if objects * 2 >= len(parsed)
        else {"": completion}
        for value, completion in zip(parsed, completions, strict=True)
    ]  # fmt: skip
    texts = [f" {' '.join(TOKEN.findall(prompt))} " for prompt in prompts]
    names = dict.fromkeys(name for row in rows for name in row)
    fields = (_classified(name, [row.get(name) for row in rows], texts) for name in names)
    return [field for field in fields if field is not None]


def _classified(name: str, values: Sequence[Any], prompts: Sequence[str]) -> Field | None:
    """The field if it is copied or a label; `prompts` are tokens joined by blanks, padded."""
    texts = [None if value is None else _text(value) for value in values]
    in_prompt = [
        value is not None and _occurs(value, prompt)
        for value, prompt in zip(values, prompts, strict=True)
    ]
    present = len(texts) - texts.count(None)
    if present < MIN_ROWS:
        return None
    counts = [n for v, n in Counter(texts).items() if n >= MIN_ROWS and v is not None]
    label = (
        sum(counts) >= COVERED * present and 1 < len(counts) + (present < len(texts)) <= MAX_LABELS
    )
    if sum(in_prompt) >= (COPIED_LABEL if label else COPIED) * present:
        return Field(name, "copied", tuple(texts), tuple(in_prompt))
    return Field(name, "label", tuple(texts), tuple(in_prompt)) if label else None


def _occurs(value: Any, prompt: str) -> bool:
    """Whether each string and number of a value is a run of whole tokens of the prompt."""
    parts = list(_scalars(value))
    return bool(parts) and all(
        f" {' '.join(TOKEN.findall(normalise(_text(part))))} " in prompt for part in parts
    )


def _leaves(value: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield an object's paths and their values; a list is one value."""
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
    """Parse a completion; None if it is not JSON or has more than MAX_PARTS parts."""
    if completion.count("{") + completion.count("[") > MAX_PARTS:
        return None
    try:
        return json.loads(completion)
    except ValueError:
        return None
