"""Data files as a stream of records: JSON lines (also gzipped), CSV, Parquet.

Bytes are read a line or a batch at a time and never beyond a cap, so that neither a line without an
end nor a small archive of very much nothing fills the memory. What is wrong with one record is told
with its line and does not end the reading; what is wrong with the file does.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pawl.data.excerpt import excerpt
from pawl.errors import DataError, nearest

# Of a line, and of a CSV row that goes over several.
MAX_LINE = 1 << 20
# Of a file, and of what it unpacks to.
MAX_FILE = 4 << 30
# A JSON reader may round what is larger (RFC 7493, I-JSON).
MAX_INTEGER = (1 << 53) - 1
BATCH = 1024
BOM = b"\xef\xbb\xbf"
NO_BOM = "the file begins with a byte order mark; save it as UTF-8 without BOM"


class _Bytes(Protocol):
    """A file, or what a gzipped one unpacks to."""

    def readline(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Record:
    """One record as it was found: its `value`, or the `reason` why it has none.

    `line` counts from 1; where a record has several it is the first, in Parquet the row's number.
    `shown` is an excerpt that shows the form and none of the words.
    """

    line: int
    value: dict[str, Any] | None
    reason: str = ""
    shown: str = ""


def records(path: Path, name: str) -> Iterator[Record]:
    """All records of a file, good and bad, in its order; its format follows from its name.

    Args:
        path: the file.
        name: how messages call it.

    Raises:
        DataError: the name has none of the known endings, the file is too large, damaged, or has
            no header that can be used.
    """
    try:
        if path.stat().st_size > MAX_FILE:
            raise _too_large(name)
        yield from FORMATS[ending(name)](path, name)
    except OSError as error:
        # Also what gzip and Arrow raise for bytes that are none of theirs.
        raise _damaged(name, error) from error


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


def parse_json(line: bytes, number: int) -> dict[str, Any]:
    """A line as a JSON object, strictly; raises `ValueError` with the reason."""
    if len(line) > MAX_LINE:
        raise ValueError(f"the line has more than {MAX_LINE:,} bytes")
    if number == 1 and line.startswith(BOM):
        raise ValueError(NO_BOM)
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from error
    return parse_object(text)


def parse_object(text: str) -> dict[str, Any]:
    """A text as a JSON object, strictly; raises `ValueError` with the reason."""
    if not text.strip():
        raise ValueError("the line is blank")
    try:
        value = _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from error
    if not isinstance(value, dict):
        raise ValueError(f"a row is an object, not {type(value).__name__}")
    return value


def _json_lines(path: Path, name: str) -> Iterator[Record]:
    with path.open("rb") as file:
        yield from _json_records(file, name)


def _gzipped(path: Path, name: str) -> Iterator[Record]:
    with gzip.open(path, "rb") as file:
        try:
            yield from _json_records(file, name)
        except (EOFError, zlib.error) as error:
            raise _damaged(name, error) from error


def _json_records(file: _Bytes, name: str) -> Iterator[Record]:
    for number, line in enumerate(_lines(file, name), start=1):
        try:
            yield Record(number, parse_json(line, number))
        except ValueError as error:
            yield Record(number, None, str(error), excerpt(line))


def _lines(file: _Bytes, name: str) -> Iterator[bytes]:
    """Lines, cut at the byte 0x0A alone; of one that is too long no more than shows that it is."""
    read = 0
    while line := file.readline(MAX_LINE + 1):
        read += len(line)
        rest = line
        while len(rest) > MAX_LINE and not rest.endswith(b"\n"):
            rest = file.readline(MAX_LINE + 1)
            read += len(rest)
            if read > MAX_FILE:
                break
        if read > MAX_FILE:
            raise _too_large(name)
        yield line


class _Feed:
    """A CSV file's lines as text for the standard reader, which asks for as many as a row has.

    Bytes that are no UTF-8 become lone surrogates, which the row's own check finds.
    """

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
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


def _csv(path: Path, name: str) -> Iterator[Record]:
    with path.open("rb") as file:
        feed = _Feed(_lines(file, name))
        reader = csv.reader(feed, strict=True)
        columns: list[str] | None = None
        while True:
            feed.next_row()
            number = reader.line_num + 1
            try:
                cells = next(reader)
                if columns is None:
                    columns = _header(cells, name)
                    continue
                yield Record(number, _row_of(columns, cells))
            except StopIteration:
                return
            except (csv.Error, ValueError) as error:
                if columns is None:
                    raise _no_header(name, str(error)) from error
                yield Record(number, None, str(error), excerpt(feed.first))


def _header(cells: list[str], name: str) -> list[str]:
    if cells and cells[0].encode("utf-8", "surrogateescape").startswith(BOM):
        raise _no_header(name, NO_BOM)
    if len(set(cells)) != len(cells) or not all(cell.strip() for cell in cells):
        raise _no_header(name, "a column has no name, or one that another has")
    if "messages" not in cells and not {"prompt", "completion"} <= set(cells):
        raise _no_header(name, "there is neither `messages` nor `prompt` and `completion`")
    return cells


def _row_of(columns: list[str], cells: list[str]) -> dict[str, Any]:
    if len(cells) != len(columns):
        raise ValueError(f"{len(cells)} cells where the header names {len(columns)} columns")
    row: dict[str, Any] = dict(zip(columns, cells, strict=True))
    if not row.get("id"):
        row.pop("id", None)
    if "messages" in row:
        row["messages"] = parse_object(f'{{"messages": {row["messages"]}}}')["messages"]
    return row


def _parquet(path: Path, name: str) -> Iterator[Record]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
        about = file.metadata
        groups = [about.row_group(i).total_byte_size for i in range(about.num_row_groups)]
        if sum(groups) > MAX_FILE:
            raise _too_large(name)
        columns = file.schema_arrow.names
        _header(columns, name)
        number = 0
        for batch in file.iter_batches(BATCH):
            for value in batch.to_pylist():
                number += 1
                # An absent value is an absent key, as in a JSON line that leaves it out.
                row = {key: cell for key, cell in value.items() if cell is not None}
                yield Record(number, row)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise _damaged(name, error) from error


def _no_header(name: str, found: str) -> DataError:
    return DataError(
        f"{name}: {found}",
        rule="the first line of a CSV file, and the schema of a Parquet file, name its columns: "
        "`prompt` and `completion`, or `messages`; further ones have names of their own",
        remedy="mend the header",
    )


def _too_large(name: str) -> DataError:
    return DataError(
        f"{name} has more than {MAX_FILE >> 30} GiB, or unpacks to more",
        rule="a data file is read up to that size",
        remedy="a few hundred clean rows teach form better than millions: take a sample",
    )


def _damaged(name: str, error: BaseException) -> DataError:
    said = " ".join(str(error).split())[:200] or type(error).__name__
    return DataError(
        f"{name} cannot be read: {said}",
        rule="a data file is whole and in the format that its name says",
        remedy="write it again, or bring it again (`dvc pull`)",
    )


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return row


def _integer(digits: str) -> int:
    # By length first: thousands of digits would take long, or be refused in other words.
    if len(digits) > 17 or abs(int(digits)) > MAX_INTEGER:
        raise ValueError("an integer beyond 2^53 is read differently by others: write it as a text")
    return int(digits)


_DECODER = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_unique, parse_int=_integer)
FORMATS: dict[str, Callable[[Path, str], Iterator[Record]]] = {
    ".jsonl": _json_lines,
    ".jsonl.gz": _gzipped,
    ".csv": _csv,
    ".parquet": _parquet,
}
