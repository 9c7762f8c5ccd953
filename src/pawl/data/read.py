"""JSON lines to `Example`s, strictly: every bad row is named with its line and the reason.

Lines are cut at the byte 0x0A alone: `str.splitlines` would also cut at U+2028 inside a string.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pawl.alike import normalise
from pawl.errors import DataError
from pawl.files import digest_text
from pawl.params import ROW_KEYS
from pawl.records import Example, Message

MAX_LINE = 1 << 20
SHOWN = 10
ROLES = ("system", "user", "assistant")
BOM = b"\xef\xbb\xbf"


def read_examples(path: Path, name: str) -> list[Example]:
    """Read rows of `{"prompt", "completion"}` or `{"messages"}`, each with an optional `id`.

    Further keys with a text, a number or a truth value are kept as `fields`.

    Args:
        path: the JSON lines file.
        name: how messages name it.

    Raises:
        DataError: some rows are bad (all are counted, the first ten are named), or there is none.
    """
    examples: list[Example] = []
    bad: list[str] = []
    first_line: dict[str, int] = {}
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                example = parse_row(line, number)
                if example.id in first_line:
                    raise ValueError(f"id '{example.id}' stands in line {first_line[example.id]}")
            except ValueError as error:
                bad.append(f"{name}:{number}: {error}")
                continue
            first_line[example.id] = number
            examples.append(example)
    if bad:
        more = f"\n… and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        raise DataError(
            "\n".join(bad[:SHOWN]) + more,
            rule='each line is one JSON object: {"prompt", "completion"} or {"messages"}',
            remedy=f"mend or remove the {len(bad)} line(s) named; nothing was used",
        )
    if not examples:
        raise DataError(f"{name} has no rows", rule="data is not empty", remedy="add rows")
    return examples


def parse_row(line: bytes, number: int) -> Example:
    """One line as an `Example`; raises `ValueError` with the reason."""
    if len(line) > MAX_LINE:
        raise ValueError(f"the line has more than {MAX_LINE:,} bytes")
    if number == 1 and line.startswith(BOM):
        raise ValueError("the file begins with a byte order mark; save it as UTF-8 without BOM")
    try:
        row = json.loads(line.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from error
    if not isinstance(row, dict):
        raise ValueError(f"a row is an object, not {type(row).__name__}")
    messages, completion = _turns(row)
    name = row.get("id", f"row-{number}")
    if not isinstance(name, str) or not name:
        raise ValueError("'id' is a non-empty string")
    return Example(name, row_key(messages), tuple(messages), completion, _fields(row))


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
            raise ValueError(f"role {role!r} is none of {', '.join(ROLES)}")
        turns.append(Message(role, _text(turn.get("content"), "content")))
    return turns


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"'{key}' is a string that is not blank")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"'{key}' holds half a surrogate pair") from error
    return value


def _fields(row: dict[str, Any]) -> dict[str, str]:
    """The row's further keys as text; a key whose value is null or blank is not there."""
    fields: dict[str, str] = {}
    for key in row.keys() - set(ROW_KEYS):
        value = row[key]
        if isinstance(value, dict | list):
            raise ValueError(f"'{key}' is a text, a number or a truth value, no list or object")
        text = value if isinstance(value, str) else json.dumps(value)
        if value is not None and text.strip():
            fields[_text(key, "a key")] = _text(text, key)
    return dict(sorted(fields.items()))


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return row
