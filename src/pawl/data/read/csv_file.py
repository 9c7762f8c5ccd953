"""Reads tables as text: a header, then a record per row, with commas, semicolons or tabs."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import IO, Any

from pawl.core.jsonio import BOM, MAX_LINE
from pawl.data.read.lines import Record, header, lines
from pawl.data.read.redaction import redacted_excerpt
from pawl.errors import DataError

DELIMITERS = ",;\t|"


def csv_records(file: IO[bytes], name: str) -> Iterator[Record]:
    """Yield the records of a table; the delimiter is what parts the header into most columns.

    Raises:
        DataError: the header is unusable, the file is too large, or a quote is unbalanced: where
            the next row begins is then unknown, and text inside quotes would be read as rows.
    """
    # Of the current row: its first line and its bytes, of which a quote may span many lines.
    first_line, row_bytes = b"", 0
    raw_lines = lines(file, name)
    head = next(raw_lines, b"").removeprefix(BOM)

    def text_lines() -> Iterator[str]:
        nonlocal first_line, row_bytes
        for line in _with(head, raw_lines):
            first_line, row_bytes = first_line or line, row_bytes + len(line)
            if row_bytes > MAX_LINE:
                found = f"the row has more than {MAX_LINE:,} bytes"
                raise ValueError(f"{found}; is a quote not closed?")
            # Bytes that are not UTF-8 become lone surrogates, which the check of a text rejects.
            yield line.decode("utf-8", "surrogateescape")

    reader = csv.reader(text_lines(), delimiter=_delimiter(head), strict=True)
    columns: list[str] | None = None
    while True:
        first_line, row_bytes, number = b"", 0, reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, ValueError) as error:
            raise DataError(
                f"{name}:{number}: {error} ({redacted_excerpt(first_line)} …)",
                rule="a quote inside a quoted cell is doubled and every quote is closed; "
                "otherwise the start of the next row is unknown",
                remedy="correct this row; no row was used",
            ) from error
        if columns is None:
            columns = header(cells, name)
            continue
        try:
            yield Record(number, first_line, _to_row(columns, cells))
        except ValueError as error:
            yield Record(number, first_line, None, str(error))


def _with(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _delimiter(head: bytes) -> str:
    """The delimiter of a header; the comma, if it has one column alone."""
    text = head[:MAX_LINE].decode("utf-8", "surrogateescape")
    return max(DELIMITERS, key=lambda delimiter: _columns(text, delimiter))


def _columns(text: str, delimiter: str) -> int:
    try:
        return len(next(csv.reader([text], delimiter=delimiter), []))
    except csv.Error:  # reported where the row is read
        return 0


def _to_row(columns: list[str], cells: list[str]) -> dict[str, Any]:
    if len(cells) != len(columns):
        raise ValueError(f"{len(cells)} cells where the header names {len(columns)} columns")
    row: dict[str, Any] = dict(zip(columns, cells, strict=True))
    if not row.get("id"):
        row.pop("id", None)
    return row
