"""Data files as a stream of records: JSON lines (also gzipped), CSV, Parquet.

Neither an endless line nor a decompression bomb fills the memory. An error in one record is
reported with its line and reading goes on; an error in the file ends it.
"""

from __future__ import annotations

import stat
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from pawl.data.read.csv_file import csv_records
from pawl.data.read.lines import MAX_FILE, Record, damaged_error, json_records, too_large_error
from pawl.data.read.parquet_file import parquet_records
from pawl.errors import DataError, nearest


def records(path: Path, name: str) -> Iterator[Record]:
    """Yield all records of a file, good and bad, in file order; `name` is for messages.

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
    except (OSError, EOFError, zlib.error) as error:
        # Raised by gzip, too, for bytes that are not gzipped.
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


FORMATS: dict[str, Callable[[Path, str], Iterator[Record]]] = {
    ".jsonl": json_records,
    ".jsonl.gz": json_records,
    ".csv": csv_records,
    ".parquet": parquet_records,
}
