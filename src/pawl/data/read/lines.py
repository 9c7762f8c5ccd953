"""Bytes to lines and lines to records, none of which takes more memory than the caps allow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from pawl.core.jsonio import MAX_LINE, parse_json
from pawl.errors import DataError

# Of a file, and of what it unpacks to. Blank lines pack a thousandfold and each is a bad row.
MAX_FILE, MAX_LINES = 1 << 30, 4_000_000
MAX_COLUMNS = 1000


class Bytes(Protocol):
    """A file, what a gzipped one unpacks to, or what another process writes."""

    def readline(self, size: int, /) -> bytes: ...


@dataclass(slots=True)
class Record:
    """One record as it was found: its `value`, or the `reason` why it has none.

    `line` counts from 1; where a record has several it is the first, in Parquet the row's number.
    `raw` is the line itself, for an excerpt.
    """

    line: int
    raw: bytes
    value: dict[str, Any] | None
    reason: str = ""


def lines(file: Bytes, name: str) -> Iterator[bytes]:
    """Lines, cut at the byte 0x0A alone; of one that is too long no more than shows that it is.

    Raises:
        DataError: there are more bytes or lines than a file may have.
    """
    read = count = 0
    while line := file.readline(MAX_LINE + 1):
        read += len(line)
        count += 1
        rest = line
        while len(rest) > MAX_LINE and not rest.endswith(b"\n"):
            rest = file.readline(MAX_LINE + 1)
            read += len(rest)
            if read > MAX_FILE:
                break
        if read > MAX_FILE or count > MAX_LINES:
            raise too_large(name)
        yield line


def json_record(number: int, line: bytes) -> Record:
    """The record that a JSON line holds."""
    try:
        return Record(number, line, parse_json(line))
    except ValueError as error:
        return Record(number, line, None, str(error))


def header(cells: list[str], name: str) -> list[str]:
    """The names of a table's columns; raises `DataError` where a row could not be told by them."""
    if len(cells) > MAX_COLUMNS:
        raise no_header(name, f"there are {len(cells):,} columns")
    if len(set(cells)) != len(cells) or not all(cell.strip() for cell in cells):
        raise no_header(name, "a column has no name, or one that another has")
    if "messages" not in cells and not {"prompt", "completion"} <= set(cells):
        raise no_header(name, "there is neither `messages` nor `prompt` and `completion`")
    return cells


def no_header(name: str, found: str) -> DataError:
    """What is told of a table whose columns cannot be known."""
    return DataError(
        f"{name}: {found}",
        rule="the first line of a CSV file, and the schema of a Parquet file, name its columns, "
        f"{MAX_COLUMNS:,} at most: `prompt` and `completion`, or `messages`; further ones have "
        "names of their own",
        remedy="mend the header",
    )


def too_large(name: str) -> DataError:
    """What is told of a file beyond `MAX_FILE` or `MAX_LINES`."""
    return DataError(
        f"{name} has more than {MAX_FILE >> 30} GiB or {MAX_LINES:,} lines, or unpacks to more",
        rule="a data file is read up to that size",
        remedy="a few hundred clean rows teach form better than millions: take a sample",
    )


def damaged(name: str, said: object) -> DataError:
    """What is told of a file that is not what its name says."""
    shown = " ".join(str(said).split())[:200] or type(said).__name__
    return DataError(
        f"{name} cannot be read: {shown}",
        rule="a data file is whole and in the format that its name says",
        remedy="write it again, or bring it again (`dvc pull`)",
    )
