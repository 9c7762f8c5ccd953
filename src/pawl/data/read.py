"""Records to `Example`s, strictly: every bad row is named with its line and the reason.

What a row must be does not depend on the format that it came in: `pawl.data.sources` reads those.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawl.alike import normalise
from pawl.data.excerpt import excerpt
from pawl.data.sources import MAX_INTEGER, MAX_LINE, parse_json, records
from pawl.errors import DataError
from pawl.files import digest_text
from pawl.params import ROW_KEYS
from pawl.records import Example, Message

SHOWN = 10
LONGEST_NAME = 200
ROLES = ("system", "user", "assistant")
# All but tab and line ends; a model would learn to write them.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


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
        path: the file; its format follows from its name (`pawl.data.sources`).
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
            reason, shown = record.reason, record.shown
            if record.value is not None:
                try:
                    example = example_of(record.value, record.line)
                    if (line := first_line.setdefault(example.id, record.line)) != record.line:
                        raise ValueError(f"id '{example.id}' stands in line {line}")
                    self.good += 1
                    yield example
                    continue
                except ValueError as error:
                    reason = str(error)
                    shown = excerpt(json.dumps(record.value, ensure_ascii=False, default=str))
            self._count(record.line, reason, shown)
        if self.bad > self._drop * (self.bad + self.good):
            raise _too_many_bad(self.bad, self.bad + self.good, self.says, self._drop)
        if not self.good:
            raise DataError(
                f"{self._name} has no rows", rule="data is not empty", remedy="add rows"
            )

    def _count(self, line: int, reason: str, shown: str) -> None:
        self.bad += 1
        if self.bad <= SHOWN:
            self.says.append(f"{self._name}:{line}: {reason}" + (f" ({shown} …)" if shown else ""))


def read_examples(path: Path, name: str, *, drop: float = 0.0) -> Rows:
    """All rows of a file at once: see `Reading`; raises its `DataError`."""
    reading = Reading(path, name, drop=drop)
    return Rows(tuple(reading), reading.bad, tuple(reading.says))


def parse_row(line: bytes, number: int) -> Example:
    """A JSON line as an `Example`; raises `ValueError` with the reason."""
    return example_of(parse_json(line, number), number)


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
    fields = _fields(row)
    # A line's bytes are counted where it is read; what other formats unpack is counted here.
    if sum(len(m.content) for m in messages) + len(completion) > MAX_LINE:
        raise ValueError(f"the row has more than {MAX_LINE:,} characters")
    return Example(name, row_key(messages), tuple(messages), completion, fields)


def row_key(messages: Sequence[Message]) -> str:
    """The hash that decides a row's split: 16 hex digits over the normalised messages.

    Letter case, runs of blanks and Unicode compatibility forms do not matter, so that a row does
    not change sides by being retyped.
    """
    text = "\x1f".join(f"{m.role}\x1e{normalise(m.content)}" for m in messages)
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
        _text(row[key], key)
    return [Message("user", row["prompt"])], row["completion"]


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
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"'{key}' is a string that is not blank")
    if value.isascii() and value.isprintable():
        return value
    if found := CONTROL.search(value):
        raise ValueError(f"'{key}' holds the control character U+{ord(found[0]):04X}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        # CSV brings bytes that are no UTF-8 as the surrogates U+DC80 to U+DCFF.
        byte = 0xDC80 <= ord(value[error.start]) <= 0xDCFF
        raise ValueError(
            f"'{key}' {'is not UTF-8' if byte else 'holds half a surrogate pair'}"
        ) from error
    if _garbled(value):
        raise ValueError(f"'{key}' was decoded wrongly before (as “Ã¼” for “ü”); mend its encoding")
    return value


def _garbled(text: str) -> bool:
    """Whether a text is mojibake, by the statistics of ftfy (Speer 2019), or lost characters."""
    from ftfy.badness import is_bad

    return not text.isascii() and ("\ufffd" in text or bool(is_bad(text)))


def _fields(row: dict[str, Any]) -> dict[str, str]:
    """The row's further keys as text; a key whose value is null or blank is not there."""
    fields: dict[str, str] = {}
    for key in row.keys() - set(ROW_KEYS):
        if not isinstance(key, str) or not 0 < len(key) <= LONGEST_NAME or not key.isprintable():
            raise ValueError(f"a key is a printable text of 1 to {LONGEST_NAME} characters")
        value = row[key]
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"'{key}' is no finite number")
        if isinstance(value, int) and abs(value) > MAX_INTEGER:
            raise ValueError(f"'{key}' is an integer beyond 2^53: write it as a text")
        if not isinstance(value, str | int | float | None):
            raise ValueError(f"'{key}' is a text, a number or a truth value, nothing else")
        text = value if isinstance(value, str) else json.dumps(value)
        if value is not None and text.strip():
            fields[key] = _text(text, key)
    return dict(sorted(fields.items()))


def _too_many_bad(bad: int, rows: int, says: Sequence[str], drop: float) -> DataError:
    more = f"\n… and {bad - len(says)} more" if bad > len(says) else ""
    allowed = f"; up to {drop:.1%} may be (`check.drop_bad`), {bad / rows:.1%} are" if drop else ""
    return DataError(
        "\n".join(says) + more,
        rule='each row is an object: {"prompt", "completion"} or {"messages"}' + allowed,
        remedy=f"mend or remove the {bad} row(s) named; nothing was used. To leave some out and "
        "have them counted: `check.drop_bad` in params.yaml, `pawl new --drop-bad`",
    )
