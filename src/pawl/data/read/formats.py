"""Data files as a stream of records: JSON lines (also gzipped), CSV, Parquet.

Bytes are read line by line up to a limit, so that neither an endless line nor a decompression bomb
fills the memory. An error in one record is reported with its line and reading goes on; an error in
the file ends it.
"""

from __future__ import annotations

import gzip
import stat
import zlib
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from pawl.data.read.csv_file import csv_records
from pawl.data.read.lines import (
    MAX_FILE,
    Record,
    damaged_error,
    json_record,
    lines,
    too_large_error,
)
from pawl.data.read.parquet_file import parquet_records
from pawl.errors import DataError, nearest


def records(path: Path, name: str) -> Iterator[Record]:
    """Yield all records of a file, good and bad, in file order.

    Args:
        path: the file; its format follows from its name.
        name: the file's name in messages.

    Raises:
        DataError: the format is not supported, or the file is not a regular file, too large,
            damaged, or without a usable header.
    """
    try:
        info = path.stat()
        # Reading a pipe waits for a writer, and a device is endless.
        if not stat.S_ISREG(info.st_mode):
            raise damaged_error(name, "it is no regular file")
        if info.st_size > MAX_FILE:
            raise too_large_error(name)
        yield from FORMATS[data_format(name)](path, name)
    except OSError as error:
        # Also raised by gzip for bytes that are not gzipped.
        raise damaged_error(name, error) from error


def data_format(name: str) -> str:
    """Return the suffix that names the file's format (".jsonl"); raise `DataError` if unknown."""
    suffix = next((suffix for suffix in FORMATS if name.endswith(suffix)), None)
    if suffix is None:
        raise DataError(
            f"the format of {name} is not known",
            rule=f"a data file's name ends in one of {', '.join(FORMATS)}",
            remedy=f"rename or convert it; {nearest(''.join(Path(name).suffixes), FORMATS)}",
        )
    return suffix


def _json_lines(path: Path, name: str) -> Iterator[Record]:
    with path.open("rb") as file:
        yield from map(json_record, count(1), lines(file, name))


def _gzipped(path: Path, name: str) -> Iterator[Record]:
    with gzip.open(path, "rb") as file:
        try:
            yield from map(json_record, count(1), lines(file, name))
        except (EOFError, zlib.error) as error:
            raise damaged_error(name, error) from error


FORMATS: dict[str, Callable[[Path, str], Iterator[Record]]] = {
    ".jsonl": _json_lines,
    ".jsonl.gz": _gzipped,
    ".csv": csv_records,
    ".parquet": parquet_records,
}
