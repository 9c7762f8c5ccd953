"""Cleans a data file line by line: each line stays, is rewritten, or is dropped.

Only what needs no judgement is changed: unreadable rows and exact duplicates are dropped,
completions lose the blanks around them, JSON completions get the layout and key order of the
majority. Cleaning is idempotent; in memory are a hash and a name per row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawl.config.schema import Check, Split
from pawl.core.files import digest_text
from pawl.core.jsonio import MAX_LINE, parse_json
from pawl.core.records import Example, MendName
from pawl.data.read.formats import is_table, records
from pawl.data.read.forms import ANSWERS, CHATS
from pawl.data.read.lines import Record, json_line
from pawl.data.read.redaction import redacted_excerpt
from pawl.data.read.row import LAST, MAX_NAME, example_of
from pawl.data.read.turns import TEXT_KEYS
from pawl.data.versions.json_style import JsonStyle, canonical_answer, majority_style


@dataclass(frozen=True)
class LineChange:
    """The change of one line: `new` replaces `old`, None drops it.

    `why` describes each change; it is empty if the line stays. `texts` are all texts of the line,
    None if it is unreadable: `form` is then its redacted excerpt.
    """

    number: int
    name: str
    old: bytes
    new: bytes | None
    why: dict[MendName, str]
    texts: tuple[str, ...] | None
    form: str


def line_changes(path: Path, name: str, split: Split, check: Check = LAST) -> Iterator[LineChange]:
    """Yield the change of each line of a file, in order.

    Rows with the same prompt and answer are duplicates unless they differ in `split.group_by` or
    `slice_by`. A file of another format is treated as its equivalent in JSON lines.
    """
    dropped, style = _drops_and_style(path, name, split, check)
    remaining = 0
    for number, record in enumerate(records(path, name), start=1):
        old, row = _line(record, name), record.value or {}
        if number not in dropped:
            remaining += 1
            example = example_of(row, remaining, check)
            new, why = _cleaned(row, example, old=old, check=check, style=style)
            yield LineChange(number, _name(record), old, new, why, _texts(example, old), "")
            continue
        mend, reason = dropped[number]
        texts = _texts(example_of(row, 1, check), old) if mend == "duplicates" else None
        form = redacted_excerpt(record.raw)
        yield LineChange(number, _name(record), old, None, {mend: reason}, texts, form)


def _drops_and_style(
    path: Path, name: str, split: Split, check: Check
) -> tuple[dict[int, tuple[MendName, str]], JsonStyle | None]:
    """Return why lines are dropped, by number, and the majority's style."""
    dropped: dict[int, tuple[MendName, str]] = {}
    first: dict[str, str] = {}
    names: dict[str, int] = {}

    def remaining() -> Iterator[str]:
        for number, record in enumerate(records(path, name), start=1):
            try:
                if record.value is None:
                    raise ValueError(record.reason)
                # A row without an id is named by its line in the copy.
                example = example_of(record.value, len(names) + 1, check)
                if len(_line(record, name)) > MAX_LINE:
                    raise ValueError(f"the row has more than {MAX_LINE:,} bytes as a JSON line")
                content = _content_hash(example, split)
                if content in first:
                    dropped[number] = ("duplicates", f"duplicate of {first[content]}")
                    continue
                if example.id in names:
                    raise ValueError(f"id '{example.id}' is also that of line {names[example.id]}")
            except ValueError as error:
                dropped[number] = ("unreadable", str(error))
                continue
            first[content], names[example.id] = _name(record), number
            yield example.completion.strip()

    style = majority_style(remaining())
    return dropped, style


def _content_hash(example: Example, split: Split) -> str:
    """A hash that is equal for duplicates."""
    fields = [example.fields.get(key, "") for key in (split.group_by, split.slice_by) if key]
    content = (example.key, canonical_answer(example.completion.strip()), *fields)
    return digest_text(json.dumps(content))[:32]


def _cleaned(
    value: dict[str, Any], example: Example, *, old: bytes, check: Check, style: JsonStyle | None
) -> tuple[bytes, dict[MendName, str]]:
    """Return a row's line with its cleaned completion, and what was changed."""
    stripped = example.completion.strip()
    styled = stripped if style is None else style.apply(stripped)
    # Unescaping may reveal a character that no row may have: then only blanks are removed.
    for answer in dict.fromkeys((styled, stripped)):
        if answer == example.completion:
            break
        try:
            changed = _with_completion(value, example.completion, answer)
            new = json_line(changed, escaped=old.isascii())
            if example_of(parse_json(new), 1, check).completion != answer:
                continue
        except ValueError:
            continue
        why: dict[MendName, str] = {}
        if stripped != example.completion:
            why["blanks"] = f"{len(example.completion) - len(stripped)} around the completion"
        if answer != stripped:
            why["style"] = "layout or key order"
        return new, why
    return old, {}


def _line(record: Record, name: str) -> bytes:
    """Return a record's line unchanged; a CSV row as a JSON line."""
    if not is_table(name):
        return record.raw
    return b"" if record.value is None else json_line(record.value)


def _with_completion(value: dict[str, Any], was: str, now: str) -> dict[str, Any]:
    """The row with another answer; unchanged where the answer is no text of its own in it."""
    for key in ("completion", *ANSWERS):
        if value.get(key) == was:
            return {**value, key: now}
    for key in CHATS:
        *turns, last = value.get(key) or [None]
        text = next((k for k in TEXT_KEYS if isinstance(last, dict) and last.get(k) == was), None)
        if text is not None:
            return {**value, key: [*turns, {**last, text: now}]}
    return value


def _name(record: Record) -> str:
    """A row's name in reports: its id, or else its line."""
    name = (record.value or {}).get("id")
    if isinstance(name, str) and 0 < len(name) <= MAX_NAME and name.isprintable():
        return name
    return f"row-{record.line}"


def _texts(example: Example, line: bytes) -> tuple[str, ...]:
    """All texts of a row, and its line, as an example lacks further keys of messages."""
    contents, fields = (m.content for m in example.messages), example.fields.values()
    return (*contents, example.completion, *fields, line.decode("utf-8", "replace"))
