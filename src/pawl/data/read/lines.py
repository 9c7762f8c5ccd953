"""Splits bytes into lines and lines into records, within limits on size and memory."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from pawl.core.jsonio import BOM, MAX_LINE, parse_line
from pawl.data.read.turns import is_turns
from pawl.errors import DataError

# Of a file, also decompressed. Blank lines compress a thousandfold and each is a bad row.
MAX_FILE, MAX_LINES = 1 << 30, 4_000_000
MAX_COLUMNS = 1000


class ByteReader(Protocol):
    """A file, a decompressed stream, or the output of another process."""

    def readline(self, size: int, /) -> bytes: ...

    def read(self, size: int, /) -> bytes: ...


@dataclass(slots=True)
class Record:
    """One record of a file: its `value`, or the `reason` why it cannot be read.

    `line` counts from 1: the record's first line, in Parquet the row's number; `raw` is that line.
    """

    line: int
    raw: bytes
    value: dict[str, Any] | None
    reason: str = ""


def lines(file: ByteReader, name: str) -> Iterator[bytes]:
    """Yield the lines, split at byte 0x0A alone; a line that is too long is cut at MAX_LINE + 1.

    Raise `DataError` beyond MAX_FILE bytes or MAX_LINES lines.
    """
    read = count = 0
    while line := file.readline(MAX_LINE + 1):
        read, count, rest = read + len(line), count + 1, line
        while len(rest) > MAX_LINE and not rest.endswith(b"\n") and read <= MAX_FILE:
            rest = file.readline(MAX_LINE + 1)
            read += len(rest)
        if read > MAX_FILE or count > MAX_LINES:
            raise too_large_error(name)
        yield line


def json_records(file: ByteReader, name: str) -> Iterator[Record]:
    """Yield the records of a file of JSON lines; a byte order mark at its start is skipped."""
    for number, line in zip(itertools.count(1), lines(file, name)):
        yield json_record(number, line.removeprefix(BOM) if number == 1 else line)


def json_record(number: int, line: bytes) -> Record:
    """Parse one JSON line."""
    try:
        return Record(number, line, as_row(parse_line(line)))
    except ValueError as error:
        return Record(number, line, None, str(error))


def json_line(value: dict[str, Any], *, escaped: bool = False) -> bytes:
    """Write a row as a JSON line; `escaped`: in ASCII alone."""
    try:
        return (json.dumps(value, ensure_ascii=escaped) + "\n").encode()
    except UnicodeEncodeError:
        # A lone surrogate, in a bad row or in an unused key of a message.
        return (json.dumps(value) + "\n").encode()


def as_row(value: Any) -> dict[str, Any]:
    """Return a JSON value as a row: an object, or the turns of a chat; raise `ValueError`."""
    if is_turns(value):
        return {"messages": value}
    if not isinstance(value, dict):
        raise ValueError(f"a row is an object, not {type(value).__name__}")
    return value


def header(cells: list[str], name: str) -> list[str]:
    """Return the column names of a table; raise `DataError` if they cannot name a row's values."""
    if len(cells) > MAX_COLUMNS:
        raise header_error(name, f"there are {len(cells):,} columns")
    # One column without a name is the rows' numbers, as pandas writes them.
    if len(set(cells)) != len(cells) or sum(not cell.strip() for cell in cells) > 1:
        raise header_error(name, "two columns have the same name, or none")
    return cells


def header_error(name: str, problem: str) -> DataError:
    """The error for a table whose column names are unusable."""
    return DataError(
        f"{name}: {problem}",
        rule="the first line of a CSV file, and the schema of a Parquet file, name its columns, "
        f"{MAX_COLUMNS:,} at most, each with a name of its own",
        remedy="correct the header",
    )


def too_large_error(name: str) -> DataError:
    """The error for a file beyond `MAX_FILE` or `MAX_LINES`."""
    return DataError(
        f"{name} has more than {MAX_FILE >> 30} GiB or {MAX_LINES:,} lines, or unpacks to more",
        rule="a data file is read up to that size",
        remedy="a few hundred clean rows teach form better than millions: take a sample",
    )


def damaged_error(name: str, cause: object) -> DataError:
    """The error for a file that is damaged or not in the format of its name."""
    message = " ".join(str(cause).split())[:200] or type(cause).__name__
    return DataError(
        f"{name} cannot be read: {message}",
        rule="a data file is whole and in the format that its name implies",
        remedy="write it again, or fetch it again (`dvc pull`)",
    )
