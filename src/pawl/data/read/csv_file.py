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


def csv_records(path: Path, name: str) -> Iterator[Record]:
    """Yield the records of a CSV file.

    Raises:
        DataError: the header is unusable, the file is too large, or a quote is unbalanced: where
            the next row begins is then unknown, and text inside quotes would be read as rows.
    """
    # Of the current row: its first line and its bytes, of which a quote may span many lines.
    first_line, row_bytes = b"", 0

    def text_lines() -> Iterator[str]:
        nonlocal first_line, row_bytes
        for line in lines(file, name):
            first_line, row_bytes = first_line or line, row_bytes + len(line)
            if row_bytes > MAX_LINE:
                found = f"the row has more than {MAX_LINE:,} bytes"
                raise ValueError(f"{found}; is a quote not closed?")
            # Bytes that are not UTF-8 become lone surrogates, which the check of a text rejects.
            yield line.decode("utf-8", "surrogateescape")

    with path.open("rb") as file:
        reader = csv.reader(text_lines(), strict=True)
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
                if first_line.startswith(BOM):
                    raise header_error(name, NO_BOM)
                columns = header(cells, name)
                continue
            try:
                yield Record(number, first_line, _to_row(columns, cells))
            except ValueError as error:
                yield Record(number, first_line, None, str(error))


def _to_row(columns: list[str], cells: list[str]) -> dict[str, Any]:
    if len(cells) != len(columns):
        raise ValueError(f"{len(cells)} cells where the header names {len(columns)} columns")
    row: dict[str, Any] = dict(zip(columns, cells, strict=True))
    if not row.get("id"):
        row.pop("id", None)
    if "messages" in row:
        row["messages"] = parse_text(row["messages"])
    return row
