"""Reads CSV files: a header, then a record per row."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pawl.core.jsonio import BOM, MAX_LINE, NO_BOM, parse_text
from pawl.data.read.lines import Record, header, header_error, lines
from pawl.data.read.redaction import redacted_excerpt
from pawl.errors import DataError


class _TextLines:
    """The lines of a CSV file as text for `csv.reader`, bounded to MAX_LINE bytes per row.

    Bytes that are not UTF-8 become lone surrogates, which the check of the row's text rejects.
    """

    def __init__(self, raw_lines: Iterator[bytes]) -> None:
        self._raw_lines = raw_lines
        self._row_bytes = 0
        self.first_line = b""

    def start_row(self) -> None:
        """Reset the byte count and the first line for the next row."""
        self._row_bytes, self.first_line = 0, b""

    def __iter__(self) -> _TextLines:
        return self

    def __next__(self) -> str:
        line = next(self._raw_lines)
        self.first_line = self.first_line or line
        self._row_bytes += len(line)
        if self._row_bytes > MAX_LINE:
            raise ValueError(f"the row has more than {MAX_LINE:,} bytes; is a quote not closed?")
        return line.decode("utf-8", "surrogateescape")


def csv_records(path: Path, name: str) -> Iterator[Record]:
    """Yield the records of a CSV file.

    Raises: DataError: the header is unusable, the file is too large, or a quote is unbalanced:
        where the
            next row begins is then unknown, and text inside quotes would be read as rows.
    """
    with path.open("rb") as file:
        text_lines = _TextLines(lines(file, name))
        reader = csv.reader(text_lines, strict=True)
        columns: list[str] | None = None
        while True:
            text_lines.start_row()
            number = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, ValueError) as error:
                raise _row_boundary_error(
                    name, number, str(error), text_lines.first_line
                ) from error
            if columns is None:
                if text_lines.first_line.startswith(BOM):
                    raise header_error(name, NO_BOM)
                columns = header(cells, name)
                continue
            try:
                yield Record(number, text_lines.first_line, _to_row(columns, cells))
            except ValueError as error:
                yield Record(number, text_lines.first_line, None, str(error))


def _to_row(columns: list[str], cells: list[str]) -> dict[str, Any]:
    if len(cells) != len(columns):
        raise ValueError(f"{len(cells)} cells where the header names {len(columns)} columns")
    row: dict[str, Any] = dict(zip(columns, cells, strict=True))
    if not row.get("id"):
        row.pop("id", None)
    if "messages" in row:
        row["messages"] = parse_text(row["messages"])
    return row


def _row_boundary_error(name: str, number: int, reason: str, first_line: bytes) -> DataError:
    return DataError(
        f"{name}:{number}: {reason} ({redacted_excerpt(first_line)} …)",
        rule="a quote inside a quoted cell is doubled and every quote is closed; otherwise the "
        "start of the next row is unknown",
        remedy="correct this row; no row was used",
    )
