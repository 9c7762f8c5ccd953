"""Splits bytes into lines and lines into records, within limits on size and memory."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pawl.core.jsonio import MAX_LINE, parse_json
from pawl.errors import DataError

# Of a file, also decompressed. Blank lines compress a thousandfold and each is a bad row.
MAX_FILE, MAX_LINES = 1 << 30, 4_000_000
MAX_COLUMNS = 1000


class ByteReader(Protocol):
    """A file, a decompressed stream, or the output of another process."""

    def readline(self, size: int, /) -> bytes: ...


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


def json_records(path: Path, name: str) -> Iterator[Record]:
    """Yield the records of a file of JSON lines, which may be gzipped."""
    with gzip.open(path) if name.endswith(".gz") else path.open("rb") as file:
        yield from map(json_record, itertools.count(1), lines(file, name))


def json_record(number: int, line: bytes) -> Record:
    """Parse one JSON line."""
    try:
        return Record(number, line, parse_json(line))
    except ValueError as error:
        return Record(number, line, None, str(error))


def header(cells: list[str], name: str) -> list[str]:
    """Return the column names of a table; raise `DataError` if they cannot name a row's values."""
    if len(cells) > MAX_COLUMNS:
        raise header_error(name, f"there are {len(cells):,} columns")
    if len(set(cells)) != len(cells) or not all(cell.strip() for cell in cells):
        raise header_error(name, "a column has no name, or one that another has")
    if "messages" not in cells and not {"prompt", "completion"} <= set(cells):
        raise header_error(name, "there is neither `messages` nor `prompt` and `completion`")
    return cells


def header_error(name: str, problem: str) -> DataError:
    """The error for a table whose column names are unusable."""
    return DataError(
        f"{name}: {problem}",
        rule="the first line of a CSV file, and the schema of a Parquet file, name its columns, "
        f"{MAX_COLUMNS:,} at most: `prompt` and `completion`, or `messages`; further ones have "
        "names of their own",
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
