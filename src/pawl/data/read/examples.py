"""Validates the records of any file format into `Example`s; bad rows are reported with reasons."""

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
from pawl.data.read.formats import records
from pawl.data.read.lines import MAX_COLUMNS
from pawl.data.read.redaction import redacted_excerpt
from pawl.data.read.text_quality import text_fault
from pawl.errors import DataError

SHOWN = 10
MAX_NAME = 200
ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Rows:
    """The good rows of a data file, the number of bad ones, messages on the first of these."""

    examples: tuple[Example, ...]
    bad: int = 0
    messages: tuple[str, ...] = ()


class ExampleReader:
    """Iterates over a data file's good rows; counts bad rows and reports the first of them.

    A row is `{"prompt", "completion"}` or `{"messages"}`, with an optional `id`. Other keys with a
    string, number or boolean value become `fields`.

    Args:
        path: the file; its format follows from its name.
        name: the file's name in messages.
        drop: the share of bad rows, in [0, 1], up to which they are left out and counted.
    """

    def __init__(self, path: Path, name: str, *, drop: float = 0.0) -> None:
        self._path, self._name, self._drop = path, name, drop
        self.good = self.bad = 0
        self.messages: list[str] = []

    def __iter__(self) -> Iterator[Example]:
        """Yield the good rows.

        Raises:
            DataError: at the end: the share of bad rows exceeds `drop`, or no row is good.
        """
        self.good, self.bad, self.messages = 0, 0, []
        first_line: dict[str, int] = {}
        for record in records(self._path, self._name):
            reason = record.reason
            if record.value is not None:
                try:
                    example = example_of(record.value, record.line)
                    if (line := first_line.setdefault(example.id, record.line)) != record.line:
                        raise ValueError(f"its id is also that of line {line}")
                    self.good += 1
                    yield example
                    continue
                except ValueError as error:
                    reason = str(error)
            self.bad += 1
            if self.bad <= SHOWN:
                shown = redacted_excerpt(record.raw)
                self.messages.append(f"{self._name}:{record.line}: {reason} ({shown} …)")
        if self.bad > self._drop * (self.bad + self.good):
            raise _too_many_bad(self.bad, self.bad + self.good, self.messages, self._drop)
        if not self.good:
            found = f"{self._name} has no rows"
            raise DataError(found, rule="data is not empty", remedy="add rows")


def read_examples(path: Path, name: str, *, drop: float = 0.0) -> Rows:
    """Read all rows of a file into memory; see `ExampleReader`, whose `DataError` it raises."""
    reader = ExampleReader(path, name, drop=drop)
    return Rows(tuple(reader), reader.bad, tuple(reader.messages))


def parse_row(line: bytes, number: int) -> Example:
    """Parse a JSON line into an `Example`; raise `ValueError` with the reason."""
    return example_of(parse_json(line), number)


def example_of(row: dict[str, Any], number: int) -> Example:
    """Validate a record of line `number` into an `Example`; raise `ValueError` with the reason."""
    messages, completion = _messages_and_completion(row)
    name = row.get("id", f"row-{number}")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise ValueError(f"'id' is a printable string of 1 to {MAX_NAME} characters")
    return Example(name, row_key(messages), tuple(messages), completion, _fields(row))


def row_key(messages: Sequence[Message]) -> str:
    """Return the hash that decides a row's split, 16 hex digits, unchanged by retyping the row."""
    text = "\x1f".join([f"{m.role}\x1e{normalise(m.content)}" for m in messages])
    return digest_text(text)[:16]


def _messages_and_completion(row: dict[str, Any]) -> tuple[list[Message], str]:
    if "messages" in row:
        if "prompt" in row or "completion" in row:
            raise ValueError("has 'messages' and also 'prompt' or 'completion'")
        turns = _parsed_messages(row["messages"])
        if len(turns) < 2 or turns[-1].role != "assistant":
            raise ValueError("'messages' ends with an assistant turn after at least one other")
        return turns[:-1], turns[-1].content
    for key in ("prompt", "completion"):
        if key not in row:
            raise ValueError(f"'{key}' is missing")
    return [Message("user", _text(row["prompt"], "prompt"))], _text(row["completion"], "completion")


def _parsed_messages(value: Any) -> list[Message]:
    if not isinstance(value, list) or not all(isinstance(turn, dict) for turn in value):
        raise ValueError("'messages' is a list of objects")
    turns = []
    for turn in value:
        if (role := turn.get("role")) not in ROLES:
            raise ValueError(f"a 'role' is not one of {', '.join(ROLES)}")
        turns.append(Message(role, _text(turn.get("content"), "content")))
    return turns


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str) or not value or value.isspace():
        raise ValueError(f"'{key}' is a string that is not blank")
    if fault := text_fault(value):
        raise ValueError(f"'{key}' {fault}")
    return value


def _fields(row: dict[str, Any]) -> dict[str, str]:
    """Return the row's other keys as text, without those whose value is null or blank."""
    if len(row) > MAX_COLUMNS:
        raise ValueError(f"the row has more than {MAX_COLUMNS:,} keys")
    fields: dict[str, str] = {}
    for key in sorted(row.keys() - ROW_KEYS):
        value = row[key]
        if not 0 < len(key) <= MAX_NAME or not key.isprintable():
            raise ValueError(f"a key is a printable string of 1 to {MAX_NAME} characters")
        if value is None:
            continue
        text = value if isinstance(value, str) else json.dumps(value)
        if fault := text_fault(text) if isinstance(value, str) else _value_fault(value):
            # A key may hold a secret, as any text may: it is reported by its position and redacted.
            raise ValueError(f"key {list(row).index(key) + 1} ({redacted_excerpt(key)}) {fault}")
        if text and not text.isspace():
            fields[sys.intern(key)] = text
    return fields


def _value_fault(value: Any) -> str:
    """Return what is wrong with a value that is not a string, or an empty string."""
    if isinstance(value, float) and not math.isfinite(value):
        return "is not a finite number"
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        return "is an integer beyond 2^53: write it as a string"
    if not isinstance(value, int | float):
        return "is not a string, a number or a boolean"
    return ""


def _too_many_bad(bad: int, rows: int, messages: Sequence[str], drop: float) -> DataError:
    more = f"\n… and {bad - len(messages)} more" if bad > len(messages) else ""
    allowed = f"; up to {drop:.1%} may be (`check.drop_bad`), {bad / rows:.1%} are" if drop else ""
    return DataError(
        "\n".join(messages) + more,
        rule='each row is an object: {"prompt", "completion"} or {"messages"}' + allowed,
        remedy=f"correct or remove these {bad} row(s); no row was used. To leave some out and "
        "count them: `check.drop_bad` in params.yaml, `pawl new --drop-bad`",
    )
