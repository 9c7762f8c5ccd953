"""The file of a review: signed lines, each of which names the one before it by digest.

The first line says what is reviewed; each further one is a label. Where the gate is sealed, each
line is encrypted with the owner's key: whoever reads the file learns how many lines there are.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pawl.core.files import digest_json
from pawl.core.records import Label, Review, Signature, to_json
from pawl.core.sealing import seal_text, unseal_text
from pawl.errors import DataError


@dataclass(frozen=True)
class Line:
    """A line of the file: what it says, the digest of the line before ('' for the first)."""

    says: dict[str, Any]
    previous: str
    signature: Signature | None = None

    @property
    def body(self) -> dict[str, Any]:
        """What is signed."""
        return {"says": self.says, "previous": self.previous}

    @property
    def digest(self) -> str:
        return digest_json(to_json(self))


def line_text(line: Line, *, sealed: bool) -> str:
    """The line as it is written, its end included."""
    text = json.dumps(to_json(line), sort_keys=True)
    return json.dumps({"sealed": seal_text(text)} if sealed else json.loads(text)) + "\n"


def read_lines(text: str, *, name: str) -> list[Line]:
    """The lines of a review's text, each checked to name the one before it.

    A last line without its end was being written by a process that was killed: it is left out.

    Raises:
        DataError: a line is none, or does not follow on the one before.
        UsageError: the key to a sealed review is missing.
    """
    lines: list[Line] = []
    for number, one in enumerate(text.split("\n")[:-1], start=1):
        try:
            value = json.loads(one)
            if "sealed" in value:
                value = json.loads(unseal_text(value["sealed"]))
            line = _adapter(Line).validate_python(value)
        except (ValueError, TypeError, ValidationError, RecursionError) as error:
            raise altered(name, f"line {number} is no line of a review") from error
        if line.previous != (lines[-1].digest if lines else ""):
            raise altered(name, f"line {number} does not follow on the line before it")
        lines.append(line)
    return lines


def review_of(lines: list[Line], *, name: str) -> Review | None:
    """The review that the lines tell, with the labels that stand; None without a line.

    Raises:
        DataError: they say something else, or a pair is labelled twice.
    """
    if not lines:
        return None
    try:
        review = _adapter(Review).validate_python(lines[0].says)
        said = [_adapter(Label).validate_python(line.says) for line in lines[1:]]
    except ValidationError as error:
        raise altered(name, "its lines are no review with labels") from error
    standing: dict[str, Label] = {}
    for label in said:
        if (label.choice == "undo") != (label.pair in standing):
            raise altered(name, f"pair {label.pair[:12]} is labelled twice, or undone unlabelled")
        if label.choice == "undo":
            del standing[label.pair]
        else:
            standing[label.pair] = label
    return Review(review.question, review.against, review.pairs, review.seed, (*standing.values(),))


def altered(name: str, what: str) -> DataError:
    """The error for a file of labels that is not as it was written."""
    return DataError(
        f"{name}: {what}",
        rule="labels are signed as they are given and never edited",
        remedy="bring the file back from a backup; or move it away and review again: `pawl review`",
    )


# Making one takes longer than reading a line.
@functools.cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
