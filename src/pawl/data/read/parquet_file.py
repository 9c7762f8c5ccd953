"""Parquet and Arrow files, decoded to JSON lines in a subprocess with limited memory.

A few bytes of Parquet may expand to gigabytes (one long value, referenced by every row), declared
sizes cannot be trusted, and the native decoder may crash: here each becomes an error message.

`python -P -m pawl.data.read.parquet_file FILE` writes the column names, a line per row, and `null`
at the end; a JSON string in place of any of these is an error message.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, cast

from pawl.core.jsonio import parse_text
from pawl.data.read.lines import MAX_COLUMNS, Record, damaged_error, header, json_record, lines

# Limits on decoding, beyond the interpreter and its libraries: bytes, and seconds of CPU.
MEMORY, SECONDS = 1 << 30, 600
BATCH_ROWS = 128
# Read page by page, not a row group at a time.
BUFFER = 1 << 20
END = b"null\n"
ABORTED = f"decoding it was aborted; it may take {MEMORY >> 30} GiB of memory"


def parquet_records(path: Path, name: str) -> Iterator[Record]:
    """Yield the records of a Parquet or Arrow file; raise `DataError` if damaged or too large."""
    command = [sys.executable, "-P", "-m", "pawl.data.read.parquet_file", str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as decoder:
        try:
            yield from decoded_records(cast("IO[bytes]", decoder.stdout), name)
        finally:
            decoder.kill()


def decoded_records(file: IO[bytes], name: str) -> Iterator[Record]:
    """Yield the records in the output of `decode`; raises `DataError` as `parquet_records` does."""
    rows = lines(file, name)
    columns = _parsed(next(rows, b""))
    if isinstance(columns, str):
        raise damaged_error(name, columns)
    header(columns, name)
    for number, line in enumerate(rows, start=1):
        if line == END:
            return
        if line.startswith(b'"'):
            raise damaged_error(name, _parsed(line))
        yield json_record(number, line)
    raise damaged_error(name, ABORTED)


def decode(path: str, out: IO[bytes]) -> None:
    """Write a Parquet file as JSON lines, as the module's docstring describes.

    A cell of a type that JSON lacks (bytes, times, decimals, maps) becomes a list with the type's
    name, which is no text for the reader; text that is not UTF-8 is written unchanged.
    """
    try:
        for value in _values(path):
            line = json.dumps(value, ensure_ascii=False)
            out.write(line.encode("utf-8", "surrogateescape") + b"\n")
        out.write(END)
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        out.write(json.dumps(message[:1000]).encode() + b"\n")
        raise


def _parsed(line: bytes) -> Any:
    try:
        return parse_text(line.decode("utf-8"))
    except ValueError:
        return ABORTED


def _values(path: str) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow import parquet

    with Path(path).open("rb") as raw:
        magic = raw.read(8)
    if magic.startswith(b"PAR") or not path.endswith(".arrow"):
        with parquet.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False) as file:
            yield file.schema_arrow.names[: MAX_COLUMNS + 1]
            yield from _rows(file.iter_batches(BATCH_ROWS, use_threads=False))
        return
    with pa.OSFile(path) as source:
        if magic.startswith(b"ARROW1"):
            reader = pa.ipc.open_file(source)
            batches = map(reader.get_batch, range(reader.num_record_batches))
        else:  # as `datasets` writes it
            reader = batches = pa.ipc.open_stream(source)
        yield reader.schema.names[: MAX_COLUMNS + 1]
        yield from _rows(batches)


def _rows(batches: Iterable[Any]) -> Iterator[dict[str, Any]]:
    for batch in batches:
        for start in range(0, batch.num_rows, BATCH_ROWS):
            part = batch.slice(start, BATCH_ROWS)
            names, columns = part.schema.names, [_cells(column) for column in part.columns]
            for cells in zip(*columns, strict=True):
                # An absent value is an absent key, as in a JSON line that leaves it out.
                yield {k: v for k, v in zip(names, cells, strict=True) if v is not None}


def _cells(column: Any) -> list[Any]:
    import pyarrow as pa

    if not _is_plain(column.type):
        unsupported = [f"{column.type}"]
        return [unsupported if valid else None for valid in column.is_valid().to_pylist()]
    try:
        return cast("list[Any]", column.to_pylist())
    except UnicodeDecodeError:
        if not pa.types.is_string(column.type):
            raise
        raw = column.view(pa.binary()).to_pylist()
        return [v if v is None else v.decode("utf-8", "surrogateescape") for v in raw]


def _is_plain(kind: Any) -> bool:
    """Whether values of an Arrow type map to JSON one to one."""
    from pyarrow import types

    if types.is_struct(kind):
        return all(_is_plain(kind.field(i).type) for i in range(kind.num_fields))
    if types.is_dictionary(kind) or types.is_list(kind) or types.is_large_list(kind):
        return _is_plain(kind.value_type)
    return any(is_type(kind) for is_type in (
        types.is_string, types.is_large_string, types.is_string_view, types.is_integer,
        types.is_floating, types.is_boolean, types.is_null,
    ))  # fmt: skip


def _limit_resources() -> None:
    """Limit memory and CPU time; only CPU time where /proc does not report memory."""
    import pyarrow as pa

    # Arrow's allocator reserves far more than it uses, and the limit counts reserved memory.
    pa.set_memory_pool(pa.system_memory_pool())
    limits = {resource.RLIMIT_CPU: SECONDS}
    statm = Path("/proc/self/statm")
    if statm.exists():
        now = int(statm.read_text().split()[0]) * resource.getpagesize()
        limits[resource.RLIMIT_AS] = now + MEMORY
    for kind, limit in limits.items():
        hard = resource.getrlimit(kind)[1]
        soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (soft, hard))


if __name__ == "__main__":
    _limit_resources()
    decode(sys.argv[1], sys.stdout.buffer)
