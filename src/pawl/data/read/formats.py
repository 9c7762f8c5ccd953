"""Data files as a stream of records: JSON lines (also gzipped), CSV, Parquet.

Bytes are read a line at a time and never beyond a cap, so that neither a line without an end nor a
small archive of very much nothing fills the memory. What is wrong with one record is told with its
line and does not end the reading; what is wrong with the file does.
"""

from __future__ import annotations

import gzip
import stat
import zlib
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from pawl.data.read.csv_file import csv_records
from pawl.data.read.lines import MAX_FILE, Record, damaged, json_record, lines, too_large
from pawl.data.read.parquet_file import parquet_records
from pawl.errors import DataError, nearest


def records(path: Path, name: str) -> Iterator[Record]:
    """All records of a file, good and bad, in its order; its format follows from its name.

    Args:
        path: the file.
        name: how messages call it.

    Raises:
        DataError: the name has none of the known endings, it is no regular file, the file is too
            large, damaged, or has no header that can be used.
    """
    try:
        found = path.stat()
        # Reading a pipe waits for a writer, and a device has no end.
        if not stat.S_ISREG(found.st_mode):
            raise damaged(name, "it is no regular file")
        if found.st_size > MAX_FILE:
            raise too_large(name)
        yield from FORMATS[ending(name)](path, name)
    except OSError as error:
        # Also what gzip raises for bytes that are none of its own.
        raise damaged(name, error) from error


def ending(name: str) -> str:
    """The ending that tells a data file's format; raises `DataError` where it is not known."""
    found = next((known for known in FORMATS if name.endswith(known)), None)
    if found is None:
        raise DataError(
            f"the format of {name} is not known",
            rule=f"a data file's name ends in one of {', '.join(FORMATS)}",
            remedy=f"rename or convert it; {nearest(''.join(Path(name).suffixes), FORMATS)}",
        )
    return found


def _json_lines(path: Path, name: str) -> Iterator[Record]:
    with path.open("rb") as file:
        yield from map(json_record, count(1), lines(file, name))


def _gzipped(path: Path, name: str) -> Iterator[Record]:
    with gzip.open(path, "rb") as file:
        try:
            yield from map(json_record, count(1), lines(file, name))
        except (EOFError, zlib.error) as error:
            raise damaged(name, error) from error


FORMATS: dict[str, Callable[[Path, str], Iterator[Record]]] = {
    ".jsonl": _json_lines,
    ".jsonl.gz": _gzipped,
    ".csv": csv_records,
    ".parquet": parquet_records,
}
