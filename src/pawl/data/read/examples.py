"""Records to `Example`s, strictly: every bad row is named with its line and the reason.

What a row must be does not depend on the format that it came in: `pawl.data.read.formats` reads those.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawl.config.schema import ROW_KEYS
from pawl.core.files import digest_text
from pawl.core.jsonio import MAX_INTEGER, parse_json
from pawl.core.records import Example, Message
from pawl.core.row_identity import normalise
from pawl.data.read.excerpt import excerpt
from pawl.data.read.formats import records
from pawl.data.read.legible import fault_of
from pawl.data.read.lines import MAX_COLUMNS
from pawl.errors import DataError

SHOWN = 10
LONGEST_NAME = 200
ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Rows:
    """What a data file holds: the good rows, how many were bad, and what is said of the first."""

    examples: tuple[Example, ...]
    bad: int = 0
    says: tuple[str, ...] = ()


class Reading:
    """A data file's good rows, one after the other; bad ones are counted, the first are told.

    A row is `{"prompt", "completion"}` or `{"messages"}`, with an optional `id`. Further keys with
    a text, a number or a truth value are kept as `fields`.

    Args:
        path: the file; its format follows from its name (`pawl.data.read.formats`).
        name: how messages name it.
        drop: the share of bad rows up to which they are left out and counted.
    """

    def __init__(self, path: Path, name: str, *, drop: float = 0.0) -> None:
        self._path, self._name, self._drop = path, name, drop
        self.good = self.bad = 0
        self.says: list[str] = []

    def __iter__(self) -> Iterator[Example]:
        """The good rows.

        Raises:
            DataError: at the end: more rows are bad than may be (all are counted, the first ten are
                named), or none is good.
        """
        self.good, self.bad, self.says = 0, 0, []
        first_line: dict[str, int] = {}
        for record in records(self._path, self._name):
            reason = record.reason
            if record.value is not None:
                try:
                    example = example_of(record.value, record.line)
                    if (line := first_line.setdefault(example.id, record.line)) != record.line:
                        raise ValueError(f"its id stands in line {line}, too")
                    self.good += 1
                    yield example
                    continue
                except ValueError as error:
                    reason = str(error)
            self.bad += 1
            if self.bad <= SHOWN:
                shown = excerpt(record.raw)
                self.says.append(f"{self._name}:{record.line}: {reason} ({shown} …)")
        if self.bad > self._drop * (self.bad + self.good):
            raise _too_many_bad(self.bad, self.bad + self.good, self.says, self._drop)
        if not self.good:
            rule = "data is not empty"
            raise DataError(f"{self._name} has no rows", rule=rule, remedy="add rows")


def read_examples(path: Path, name: str, *, drop: float = 0.0) -> Rows:
    """All rows of a file at once: see `Reading`; raises its `DataError`."""
    reading = Reading(path, name, drop=drop)
    return Rows(tuple(reading), reading.bad, tuple(reading.says))


def parse_row(line: bytes, number: int) -> Example:
    """A JSON line as an `Example`; raises `ValueError` with the reason."""
    return example_of(parse_json(line), number)


def example_of(row: dict[str, Any], number: int) -> Example:
    """A record as an `Example`; raises `ValueError` with the reason.

    Args:
        row: its keys and values.
        number: its line: the name of a row that brings none is `row-<number>`.
    """
    messages, completion = _turns(row)
    name = row.get("id", f"row-{number}")
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise ValueError(f"'id' is a printable text of 1 to {LONGEST_NAME} characters")
    return Example(name, row_key(messages), tuple(messages), completion, _fields(row))


def row_key(messages: Sequence[Message]) -> str:
    """The hash that decides a row's split: 16 hex digits over the normalised messages.

    Letter case, runs of blanks and Unicode compatibility forms do not matter, so that a row does
    not change sides by being retyped.
    """
    text = "\x1f".join([f"{m.role}\x1e{normalise(m.content)}" for m in messages])
    return digest_text(text)[:16]


def _turns(row: dict[str, Any]) -> tuple[list[Message], str]:
    if "messages" in row:
        if "prompt" in row or "completion" in row:
            raise ValueError("'messages' beside 'prompt' or 'completion': which one counts?")
        turns = _messages(row["messages"])
        if len(turns) < 2 or turns[-1].role != "assistant":
            raise ValueError("'messages' ends with an assistant turn after at least one other")
        return turns[:-1], turns[-1].content
    for key in ("prompt", "completion"):
        if key not in row:
            raise ValueError(f"'{key}' is missing")
    return [Message("user", _text(row["prompt"], "prompt"))], _text(row["completion"], "completion")


def _messages(value: Any) -> list[Message]:
    if not isinstance(value, list) or not all(isinstance(turn, dict) for turn in value):
        raise ValueError("'messages' is a list of objects")
    turns = []
    for turn in value:
        role = turn.get("role")
        if role not in ROLES:
            raise ValueError(f"a 'role' is none of {', '.join(ROLES)}")
        turns.append(Message(role, _text(turn.get("content"), "content")))
    return turns


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str) or not value or value.isspace():
        raise ValueError(f"'{key}' is a string that is not blank")
    if fault := fault_of(value):
        raise ValueError(f"'{key}' {fault}")
    return value


def _fields(row: dict[str, Any]) -> dict[str, str]:
    """The row's further keys as text; a key whose value is null or blank is not there."""
    if len(row) > MAX_COLUMNS:
        raise ValueError(f"the row has more than {MAX_COLUMNS:,} keys")
    fields: dict[str, str] = {}
    for key in sorted(row.keys() - ROW_KEYS):
        value = row[key]
        if not 0 < len(key) <= LONGEST_NAME or not key.isprintable():
            raise ValueError(f"a key is a printable text of 1 to {LONGEST_NAME} characters")
        if value is None:
            continue
        text = value if isinstance(value, str) else json.dumps(value)
        if fault := fault_of(text) if isinstance(value, str) else _odd(value):
            # A key of the data may hold a secret as any text may: it is told by place and form.
            raise ValueError(f"key {list(row).index(key) + 1} ({excerpt(key)}) {fault}")
        if text and not text.isspace():
            fields[sys.intern(key)] = text
    return fields


def _odd(value: Any) -> str:
    """What is wrong with a further key's value that is no text; empty where nothing is."""
    if isinstance(value, float) and not math.isfinite(value):
        return "is no finite number"
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        return "is an integer beyond 2^53: write it as a text"
    if not isinstance(value, int | float):
        return "is a text, a number or a truth value, nothing else"
    return ""


def _too_many_bad(bad: int, rows: int, says: Sequence[str], drop: float) -> DataError:
    more = f"\n… and {bad - len(says)} more" if bad > len(says) else ""
    allowed = f"; up to {drop:.1%} may be (`check.drop_bad`), {bad / rows:.1%} are" if drop else ""
    return DataError(
        "\n".join(says) + more,
        rule='each row is an object: {"prompt", "completion"} or {"messages"}' + allowed,
        remedy=f"mend or remove the {bad} row(s) named; nothing was used. To leave some out and "
        "have them counted: `check.drop_bad` in params.yaml, `pawl new --drop-bad`",
    )
