"""CSV files: a header, then a record for each row."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pawl.core.jsonio import BOM, MAX_LINE, NO_BOM, parse_text
from pawl.data.read.excerpt import excerpt
from pawl.data.read.lines import Record, header, lines, no_header
from pawl.errors import DataError


class _Feed:
    """A CSV file's lines as text for the standard reader, which asks for as many as a row has.

    Bytes that are no UTF-8 become lone surrogates, which the row's own check finds.
    """

    def __init__(self, found: Iterator[bytes]) -> None:
        self._lines = found
        self._read = 0
        self.first = b""

    def next_row(self) -> None:
        """What comes now belongs to another row."""
        self._read, self.first = 0, b""

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.first = self.first or line
        self._read += len(line)
        if self._read > MAX_LINE:
            raise ValueError(f"the row has more than {MAX_LINE:,} bytes; is a quote not closed?")
        return line.decode("utf-8", "surrogateescape")


def csv_records(path: Path, name: str) -> Iterator[Record]:
    """The records of a CSV file.

    Raises:
        DataError: it has no usable header, is too large, or its quotes do not hold: where the next
            row begins is then anybody's guess, and text inside quotes would be read as rows.
    """
    with path.open("rb") as file:
        feed = _Feed(lines(file, name))
        reader = csv.reader(feed, strict=True)
        columns: list[str] | None = None
        while True:
            feed.next_row()
            number = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, ValueError) as error:
                raise _lost(name, number, str(error), feed.first) from error
            if columns is None:
                if feed.first.startswith(BOM):
                    raise no_header(name, NO_BOM)
                columns = header(cells, name)
                continue
            try:
                yield Record(number, feed.first, _row_of(columns, cells))
            except ValueError as error:
                yield Record(number, feed.first, None, str(error))


def _row_of(columns: list[str], cells: list[str]) -> dict[str, Any]:
    if len(cells) != len(columns):
        raise ValueError(f"{len(cells)} cells where the header names {len(columns)} columns")
    row: dict[str, Any] = dict(zip(columns, cells, strict=True))
    if not row.get("id"):
        row.pop("id", None)
    if "messages" in row:
        row["messages"] = parse_text(row["messages"])
    return row


def _lost(name: str, number: int, reason: str, first: bytes) -> DataError:
    return DataError(
        f"{name}:{number}: {reason} ({excerpt(first)} …)",
        rule="a quote inside a quoted cell is doubled, and each that is opened is closed: else "
        "nobody can say where the next row begins",
        remedy="mend this row; nothing was used",
    )
