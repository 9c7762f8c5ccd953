"""Data files as a stream of records: JSON lines, JSON, tables as text, Parquet, Arrow.

Neither an endless line nor a decompression bomb fills the memory. An error in one record is
reported with its line and reading goes on; an error in the file ends it.
"""

from __future__ import annotations

import itertools
import lzma
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pawl.core.jsonio import MAX_LINE
from pawl.data.read.csv_file import csv_records
from pawl.data.read.json_file import json_value_records, looks_like_lines
from pawl.data.read.lines import (
    MAX_FILE,
    Record,
    damaged_error,
    json_records,
    too_large_error,
)
from pawl.data.read.parquet_file import parquet_records
from pawl.data.read.unpack import PACKED, bare, unpacked
from pawl.errors import DataError, nearest

LINES, TABLES, COLUMNS = (".jsonl", ".ndjson", ".json"), (".csv", ".tsv"), (".parquet", ".arrow")
FORMATS = (
    *(kind + packed for kind in (*LINES, *TABLES) for packed in ("", *PACKED)),
    *COLUMNS,
)
# Bytes looked at to tell UTF-16, which begins with a mark or has a zero beside each letter.
HEAD = 64
MARKS = (b"\xff\xfe", b"\xfe\xff")
REMEDIES = {
    ".xlsx": "save the sheet as CSV (UTF-8)", ".xls": "save the sheet as CSV (UTF-8)",
    ".ods": "save the sheet as CSV (UTF-8)", ".zip": "unpack it first",
    ".tar": "unpack it first", ".tgz": "unpack it first",
    ".txt": "write each row as a JSON line with `prompt` and `completion`",
}  # fmt: skip


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
        kind = data_format(name)
        if kind in COLUMNS:
            yield from parquet_records(path, name)
            return
        with unpacked(path, name) as file:
            head = _first_lines(file)
            _refuse_utf16(head[0], name)
        with unpacked(path, name) as file:
            yield from _text_records(file, name, head)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        # Raised for bytes that are not packed as the name says.
        raise damaged_error(name, error) from error


def data_format(name: str) -> str:
    """Return the suffix that names the file's format (".jsonl"); raise `DataError` if unknown."""
    lower = name.lower()
    suffix = next((s for s in sorted(FORMATS, key=len, reverse=True) if lower.endswith(s)), None)
    if suffix is None:
        ending = "".join(Path(name).suffixes[-1:])
        raise DataError(
            f"the format of {name} is not known",
            rule=f"a data file's name ends in one of {', '.join((*LINES, *TABLES, *COLUMNS))}; "
            f"one of text may be packed ({', '.join(PACKED)})",
            remedy=REMEDIES.get(ending.lower())
            or f"rename or convert it; {nearest(''.join(Path(name).suffixes[-2:]), FORMATS)}",
        )
    return suffix


def is_table(name: str) -> bool:
    """Whether the rows of a file of this name are no JSON lines, and are written as such."""
    return bare(data_format(name)) in TABLES


def _first_lines(file: IO[bytes]) -> tuple[bytes, bytes]:
    """The first two lines, from the first that is not blank, each of at most MAX_LINE bytes."""
    first = next((line for _ in range(HEAD) if (line := file.readline(MAX_LINE)).strip()), b"")
    return first, file.readline(MAX_LINE)


def _text_records(file: IO[bytes], name: str, head: tuple[bytes, bytes]) -> Iterator[Record]:
    if is_table(name):
        return csv_records(file, name)
    return (json_records if looks_like_lines(*head) else json_value_records)(file, name)


def _refuse_utf16(head: bytes, name: str) -> None:
    zeros = sum(byte == 0 for byte in itertools.islice(head, HEAD))
    if not head.startswith(MARKS) and zeros < len(head[:HEAD]) // 4 + 1:
        return
    raise DataError(
        f"{name} is UTF-16, not UTF-8",
        rule="a data file is UTF-8",
        remedy="save it as UTF-8 (a spreadsheet: “CSV UTF-8”), or `iconv -f UTF-16 -t UTF-8 OLD > "
        "NEW`",
    )
