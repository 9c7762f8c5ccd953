"""Validates one record into the examples that it holds: one, or one for each of its answers."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pawl.config.schema import ROW_KEYS, Check
from pawl.core.calls import calls_text
from pawl.core.files import digest_text
from pawl.core.jsonio import MAX_INTEGER, parse_json, parse_text
from pawl.core.records import Example, Message
from pawl.core.row_identity import normalise
from pawl.data.read.forms import INDEX, SHOWN_BY_OTHERS, plain_name, read_form
from pawl.data.read.lines import MAX_COLUMNS
from pawl.data.read.redaction import redacted_excerpt, shown_name
from pawl.data.read.text_quality import text_fault
from pawl.data.read.turns import Turn, answer_of, json_text, text_of

MAX_NAME = 200
# Characters up to which the value of a question's or answer's key may be a slice or a group, too.
LABEL = 100
PLAIN, PLAIN_FORM = {"prompt", "completion", "id"}, "prompt, completion"
NOT_TAUGHT = "earlier assistant turns are shown and not taught: `check.turns: all` teaches them"
LAST = Check()


def parse_row(line: bytes, number: int) -> Example:
    """Parse a JSON line into an `Example`; raise `ValueError` with the reason."""
    return example_of(parse_json(line), number)


def example_of(row: dict[str, Any], number: int, check: Check = LAST) -> Example:
    """Validate a record of line `number` into its last example; raise `ValueError`."""
    return examples_of(row, number, check, set())[0][-1]


def examples_of(
    row: dict[str, Any], number: int, check: Check, notes: set[str]
) -> tuple[list[Example], str]:
    """Validate a record of line `number`; return its examples and the name of its form.

    Args:
        row: keys and values.
        number: the line, which names a row without an id.
        check: says which keys are what, and which assistant turns are taught or rows.
        notes: what is read and not used is added here.

    Raises:
        FormError: it has no keys of a known form.
        ValueError: it is no row, with the reason.
    """
    name = _name(row.get(check.columns.get("id", "id")), number)
    if row.keys() <= PLAIN and not check.columns:
        prompt, answer = row.get("prompt"), row.get("completion")
        if isinstance(prompt, str) and isinstance(answer, str):
            messages = (Message("user", text_of(prompt, "prompt")),)
            key, answer = row_key(messages), text_of(answer, "completion")
            return [Example(name, key, messages, answer)], PLAIN_FORM
    turns, used, form = read_form(row, check.columns, notes)
    fields = _fields(row, used | {check.columns.get("id", "id")}, notes)
    return _examples(turns, name, fields, check, notes), form


def row_key(messages: Sequence[Message]) -> str:
    """Return the hash that decides a row's split, 16 hex digits, unchanged by retyping the row."""
    text = "\x1f".join([_identity(message) for message in messages])
    return digest_text(text)[:16]


def _identity(message: Message) -> str:
    calls = f"\x1e{message.tool_calls}" if message.tool_calls else ""
    return f"{message.role}\x1e{normalise(message.content)}{calls}"


def _name(value: Any, number: int) -> str:
    if value is None:
        return f"row-{number}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME or not value.isprintable():
        raise ValueError(f"'id' is a printable string of 1 to {MAX_NAME} characters, or a number")
    return value


def _examples(
    turns: Sequence[Turn], name: str, fields: dict[str, str], check: Check, notes: set[str]
) -> list[Example]:
    at = answer_of(turns)
    if not any(turn.message.role not in ("tools", "assistant") for turn in turns[: max(at, 0)]):
        if at < 0 and any(turn.message.role == "assistant" for turn in turns):
            raise ValueError("no assistant turn of it is taught: the weight of each is 0")
        raise ValueError("it ends with an assistant turn after at least one other")
    if at < len(turns) - 1:
        notes.add("turns after the last answer to learn are left out")
    messages = tuple(turn.message for turn in turns)
    taught = tuple(
        i for i in range(at) if messages[i].role == "assistant" and turns[i].taught and i
    )
    if check.turns == "each":
        answers = [*taught, at]
        names = [f"{name}#{n}" for n in range(1, len(answers) + 1)] if taught else [name]
        return [
            _example(messages, i, one, fields, ()) for i, one in zip(answers, names, strict=True)
        ]
    if taught and check.turns == "last":
        notes.add(NOT_TAUGHT)
        taught = ()
    return [_example(messages, at, name, fields, taught)]


def _example(
    messages: tuple[Message, ...],
    at: int,
    name: str,
    fields: dict[str, str],
    taught: tuple[int, ...],
) -> Example:
    answer, before = messages[at], messages[:at]
    text = answer.content
    if answer.tool_calls:
        text = calls_text(text, parse_text(answer.tool_calls))
    return Example(name, row_key(before), before, text, fields, answer.tool_calls, taught)


def _fields(row: Mapping[str, Any], used: set[str], notes: set[str]) -> dict[str, str]:
    """Return the row's further keys as text, without those whose value is null, blank or nested.

    Short values of the keys that were used are among them: a slice may be an answer's class.
    """
    if len(row) > MAX_COLUMNS:
        raise ValueError(f"the row has more than {MAX_COLUMNS:,} keys")
    fields: dict[str, str] = {}
    notes.update(map(_not_shown, (row.keys() & ROW_KEYS) - used - {"id"}))
    for key in sorted(row.keys() - ROW_KEYS):
        value = row[key]
        if value is None:
            continue
        if plain_name(key) in INDEX:
            notes.add("a column of row numbers, without a name, is left out")
            continue
        if not 0 < len(key) <= MAX_NAME or not key.isprintable():
            raise ValueError(f"a key is a printable string of 1 to {MAX_NAME} characters")
        if key not in used:
            notes.add(_not_shown(key))
        if isinstance(value, dict | list):
            continue
        text = value if isinstance(value, str) else json_text(value)
        if key in used and (len(text) > LABEL or plain_name(key) in ROW_KEYS):
            continue
        if fault := text_fault(text) if isinstance(value, str) else _value_fault(value):
            # A key may hold a secret, as any text may: it is reported by its position and redacted.
            raise ValueError(f"key {list(row).index(key) + 1} ({redacted_excerpt(key)}) {fault}")
        if text and not text.isspace():
            fields[sys.intern(key)] = text
    return fields


def _not_shown(key: str) -> str:
    others = ", though other trainers show it" if plain_name(key) in SHOWN_BY_OTHERS else ""
    return f"key `{shown_name(key)}` is not shown to the model{others}"


def _value_fault(value: Any) -> str:
    """Return what is wrong with a value that is not a string, or an empty string."""
    if isinstance(value, float) and not math.isfinite(value):
        return "is not a finite number"
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        return "is an integer beyond 2^53: write it as a string"
    return ""
