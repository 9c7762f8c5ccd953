"""What becomes of each line of a data file where it is mended: it stays, is rewritten, or goes.

Only what needs no judgement is done: rows that cannot be read and exact duplicates go, completions
lose the blanks around them, JSON completions get the layout and key order that most have.

Two passes over the file: the first finds what goes and what is customary, the second mends. What is
kept in memory is a hash and a name a row. Mending what was mended changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawl.config.schema import Split
from pawl.core.files import digest_text
from pawl.core.jsonio import MAX_LINE
from pawl.core.records import Example, MendName
from pawl.data.read.examples import LONGEST_NAME, example_of, parse_row
from pawl.data.read.excerpt import excerpt
from pawl.data.read.formats import records
from pawl.data.read.lines import Record
from pawl.data.versions.layout import Style, customary, same_answer


@dataclass(frozen=True)
class Step:
    """What becomes of one line of the file: `new` takes the place of `old`, None drops it.

    `why` has words for each thing that is done; it is empty where the line stays as it is. `texts`
    is all that the line says, None where it cannot be read: `form` then shows it without its words.
    """

    number: int
    name: str
    old: bytes
    new: bytes | None
    why: dict[MendName, str]
    texts: tuple[str, ...] | None
    form: str


@dataclass(frozen=True)
class _Plan:
    """What the first pass found: why lines go, by their number, and the customary style."""

    dropped: dict[int, tuple[MendName, str]]
    style: Style | None


def steps(path: Path, name: str, split: Split) -> Iterator[Step]:
    """What becomes of each line of a file, in its order.

    Rows with the same question and answer are duplicates unless `split.group_by` or `slice_by`
    tells them apart. A file of another format counts as the JSON lines that it would be.
    """
    plan = _plan(path, name, split)
    kept = 0
    for number, record in enumerate(records(path, name), start=1):
        old = _line(record, name)
        if number not in plan.dropped:
            kept += 1
            example = example_of(record.value or {}, kept)
            new, why = _mended(record.value or {}, example, old=old, place=kept, style=plan.style)
            yield Step(number, _name(record), old, new, why, _texts(example, old), "")
            continue
        mend, says = plan.dropped[number]
        texts = _texts(example_of(record.value or {}, 1), old) if mend == "duplicates" else None
        form = excerpt(record.raw)
        yield Step(number, _name(record), old, None, {mend: says}, texts, form)


def _plan(path: Path, name: str, split: Split) -> _Plan:
    dropped: dict[int, tuple[MendName, str]] = {}
    answers: dict[str, str] = {}
    names: dict[str, int] = {}

    def staying() -> Iterator[str]:
        for number, record in enumerate(records(path, name), start=1):
            try:
                if record.value is None:
                    raise ValueError(record.reason)
                # A row that brings no name is called by its line, and here that is the copy's.
                example = example_of(record.value, len(names) + 1)
                if len(_line(record, name)) > MAX_LINE:
                    raise ValueError(f"the row has more than {MAX_LINE:,} bytes as a JSON line")
                same = _same(example, split)
                if same in answers:
                    dropped[number] = ("duplicates", f"says what {answers[same]} says")
                    continue
                if example.id in names:
                    raise ValueError(f"id '{example.id}' stands in line {names[example.id]}")
            except ValueError as error:
                dropped[number] = ("unreadable", str(error))
                continue
            answers[same], names[example.id] = _name(record), number
            yield example.completion.strip()

    return _Plan(dropped, customary(staying()))


def _same(example: Example, split: Split) -> str:
    """A hash that rows share of which the later ones can go."""
    apart = [example.fields.get(key, "") for key in (split.group_by, split.slice_by) if key]
    said = (example.key, same_answer(example.completion.strip()), *apart)
    return digest_text(json.dumps(said))[:32]


def _mended(
    value: dict[str, Any], example: Example, *, old: bytes, place: int, style: Style | None
) -> tuple[bytes, dict[MendName, str]]:
    """A row's line with its completion as it should be, and what was done to it."""
    bare = example.completion.strip()
    styled = bare if style is None else style.apply(bare)
    # What an escape hid may be a character that no row may have: then the style stays as it is.
    for answer in dict.fromkeys((styled, bare)):
        if answer == example.completion:
            break
        try:
            new = _written(_answering(value, answer), escaped=old.isascii())
            if parse_row(new, place).completion != answer:
                continue
        except ValueError:
            continue
        why: dict[MendName, str] = {}
        if bare != example.completion:
            why["blanks"] = f"{len(example.completion) - len(bare)} around the completion"
        if answer != bare:
            why["style"] = "layout or key order"
        return new, why
    return old, {}


def _line(record: Record, name: str) -> bytes:
    """A record's line as it stands; that of a CSV row, which has none, as JSON would have it."""
    if not name.endswith(".csv"):
        return record.raw
    return b"" if record.value is None else _written(record.value, escaped=False)


def _answering(value: dict[str, Any], completion: str) -> dict[str, Any]:
    """A row's keys and values with another completion."""
    if "messages" not in value:
        return {**value, "completion": completion}
    *turns, last = value["messages"]
    return {**value, "messages": [*turns, {**last, "content": completion}]}


def _written(value: dict[str, Any], *, escaped: bool) -> bytes:
    try:
        return (json.dumps(value, ensure_ascii=escaped) + "\n").encode()
    except UnicodeEncodeError:
        # Half a surrogate pair, where the row is bad or in a key of a message that nobody reads.
        return (json.dumps(value) + "\n").encode()


def _name(record: Record) -> str:
    """What a report calls a row: one that brings no name by its line."""
    given = (record.value or {}).get("id")
    if isinstance(given, str) and 0 < len(given) <= LONGEST_NAME and given.isprintable():
        return given
    return f"row-{record.line}"


def _texts(example: Example, line: bytes) -> tuple[str, ...]:
    """All that a row says; its line, too, for keys of messages are part of no example."""
    said = (message.content for message in example.messages)
    return (*said, example.completion, *example.fields.values(), line.decode("utf-8", "replace"))
