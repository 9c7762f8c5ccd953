"""Parquet files, unpacked to JSON lines by a process of their own whose memory is bounded.

A few bytes of Parquet may stand for gigabytes (one long value in a dictionary, named by every row),
the sizes that a file states are only what it states, and what decodes it is not Python: it may die.
In a process of its own each of these becomes an error in words, and the rows go through the same
caps and the same strict reader as any JSON line.

`python -P -m pawl.data.read.parquet_file FILE` writes the columns' names, a line for each row, and `null`
when it is through; a text instead of any of these says what went wrong.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from pawl.core.jsonio import parse_text
from pawl.data.read.lines import MAX_COLUMNS, Bytes, Record, damaged, header, json_record, lines

# What unpacking may take beyond the interpreter and its libraries: bytes, and seconds of CPU.
MEMORY, SECONDS = 1 << 30, 600
BATCH = 128
# Pages are read as they are needed, not a row group at a time.
BUFFER = 1 << 20
END = b"null\n"
BROKE_OFF = f"unpacking it broke off; it may take {MEMORY >> 30} GiB of memory, and no more"


def parquet_records(path: Path, name: str) -> Iterator[Record]:
    """The records of a Parquet file.

    Raises:
        DataError: it has no usable columns, is damaged, too large, or takes too much memory.
    """
    command = [sys.executable, "-P", "-m", "pawl.data.read.parquet_file", str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as unpacking:
        try:
            yield from unpacked(cast("IO[bytes]", unpacking.stdout), name)
        finally:
            unpacking.kill()


def unpacked(file: Bytes, name: str) -> Iterator[Record]:
    """The records in what `unpack` writes; raises `DataError` as `parquet_records` does."""
    rows = lines(file, name)
    header(_told(next(rows, b""), name), name)
    for number, line in enumerate(rows, start=1):
        if line == END:
            return
        if line.startswith(b'"'):
            _told(line, name)
        yield json_record(number, line)
    raise damaged(name, BROKE_OFF)


def unpack(path: str, out: IO[bytes]) -> None:
    """Write a Parquet file as JSON lines, as the module's head says.

    A cell that no row may have (bytes, times, decimals, maps) becomes a list with its type's name,
    which is refused as what it is; text that is no UTF-8 stays as it is and is refused likewise.
    """
    try:
        for value in _values(path):
            line = json.dumps(value, ensure_ascii=False)
            out.write(line.encode("utf-8", "surrogateescape") + b"\n")
        out.write(END)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        out.write(json.dumps(said[:1000]).encode() + b"\n")
        raise


def _told(line: bytes, name: str) -> list[str]:
    """The columns' names; raises `DataError` for a text, or for nothing."""
    try:
        found = parse_text(line.decode("utf-8"))
    except ValueError:
        found = BROKE_OFF
    if isinstance(found, str):
        raise damaged(name, found)
    return cast("list[str]", found)


def _values(path: str) -> Iterator[Any]:
    from pyarrow import parquet

    with parquet.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False) as file:
        names = file.schema_arrow.names
        yield names[: MAX_COLUMNS + 1]
        for batch in file.iter_batches(BATCH, use_threads=False):
            columns = [_cells(column) for column in batch.columns]
            for cells in zip(*columns, strict=True):
                # An absent value is an absent key, as in a JSON line that leaves it out.
                yield {k: v for k, v in zip(names, cells, strict=True) if v is not None}


def _cells(column: Any) -> list[Any]:
    import pyarrow as pa

    if not _is_plain(column.type):
        wrong = [f"{column.type}"]
        return [wrong if there else None for there in column.is_valid().to_pylist()]
    try:
        return cast("list[Any]", column.to_pylist())
    except UnicodeDecodeError:
        if not pa.types.is_string(column.type):
            raise
        found = column.view(pa.binary()).to_pylist()
        return [v if v is None else v.decode("utf-8", "surrogateescape") for v in found]


def _is_plain(kind: Any) -> bool:
    """Whether values of an Arrow type have a JSON form of their own."""
    from pyarrow import types

    if types.is_struct(kind):
        return all(_is_plain(kind.field(i).type) for i in range(kind.num_fields))
    if types.is_dictionary(kind) or types.is_list(kind) or types.is_large_list(kind):
        return _is_plain(kind.value_type)
    return any(asked(kind) for asked in (
        types.is_string, types.is_large_string, types.is_string_view, types.is_integer,
        types.is_floating, types.is_boolean, types.is_null,
    ))  # fmt: skip


def _bound() -> None:
    """No more memory and time than the caps; where the kernel does not tell, only time."""
    import pyarrow as pa

    # Arrow's own allocator reserves far more than it uses, and a limit counts what is reserved.
    pa.set_memory_pool(pa.system_memory_pool())
    bounds = {resource.RLIMIT_CPU: SECONDS}
    statm = Path("/proc/self/statm")
    if statm.exists():
        now = int(statm.read_text().split()[0]) * resource.getpagesize()
        bounds[resource.RLIMIT_AS] = now + MEMORY
    for which, most in bounds.items():
        hard = resource.getrlimit(which)[1]
        soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (soft, hard))


if __name__ == "__main__":
    _bound()
    unpack(sys.argv[1], sys.stdout.buffer)
