"""Which rows a new task is made from, and how they are read."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from pawl.config.field_types import RowPart
from pawl.config.schema import Check
from pawl.data.read.examples import Rows, read_examples
from pawl.errors import UsageError


@dataclass(frozen=True)
class Sources:
    """The files and base of a new task, and how its rows are read. `data` may be an address.

    A share of `drop_bad` rows may be unreadable, and with `drop_long` some may be longer than the
    base's window: they are left out. `columns` and `turns` are those of `check` in params.yaml;
    `turns` None: `all`, or `each` where all chats end in the same words.
    """

    data: Path | str
    schema: Path | None = None
    prompt: Path | None = None
    base: str | None = None
    drop_bad: float = 0.0
    drop_long: bool = False
    columns: dict[RowPart, str] = field(default_factory=dict)
    turns: Literal["last", "all", "each"] | None = None

    @property
    def file(self) -> Path:
        """The rows, once they are here."""
        return Path(self.data)

    def check(self, turns: str) -> dict[str, Any]:
        """The keys of `check` that say how the rows are read."""
        given = {"drop_bad": self.drop_bad, "drop_long": self.drop_long, "columns": self.columns}
        return {"turns": turns, **{key: value for key, value in given.items() if value}}


def named_columns(text: str) -> dict[RowPart, str]:
    """Parse `prompt=KEY,completion=KEY`.

    Raises:
        UsageError: a part is not `NAME=KEY`, or no row has such a part.
    """
    columns: dict[RowPart, str] = {}
    for part in filter(None, text.split(",")):
        name, equals, key = part.partition("=")
        if name not in get_args(RowPart) or not equals or not key:
            raise UsageError(
                f"--columns: '{part}'",
                rule=f"it is NAME=KEY, NAME one of {', '.join(get_args(RowPart))}",
                remedy="`--columns prompt=QUESTION,completion=ANSWER`, with the names that your "
                "columns have",
            )
        columns[name] = key  # type: ignore[index]  # one of them, as was just seen
    if columns and not {"prompt", "completion"} <= columns.keys() and "messages" not in columns:
        raise UsageError(
            f"--columns names {', '.join(columns)}",
            rule="question and answer are named together, or the chat's turns",
            remedy="`--columns prompt=QUESTION,completion=ANSWER`, or `--columns messages=CHAT`",
        )
    return columns


def read_sources(sources: Sources) -> tuple[Rows, str]:
    """Read the rows, and return which answers of a chat are taught."""
    check = Check(drop_bad=sources.drop_bad, columns=sources.columns, turns=sources.turns or "all")
    read = read_examples(sources.file, str(sources.data), check=check)
    last = {row.completion for row in read.examples}
    if sources.turns is None and len(last) == 1 and any(row.taught for row in read.examples):
        each = dataclasses.replace(check, turns="each")
        read = read_examples(sources.file, str(sources.data), check=each)
        note = "all chats end in the same words: each answer is a row (`check.turns: each`)"
        return dataclasses.replace(read, notes=(*read.notes, note)), "each"
    return read, check.turns
