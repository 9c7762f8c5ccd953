"""Records to JSON files and back, validated when read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from pawl.core.files import write_json
from pawl.core.jsonio import parse_constants
from pawl.core.records.data import Example, HeldOutRow
from pawl.errors import DataError

Record = TypeVar("Record")
# Absent where they are empty, so that files and fingerprints of what lacks them stay as they were
# before there were these fields: of a base, of rows, of a split and of an endpoint, and others.
UNSAID = (
    *("template", "clock"),
    *("tool_calls", "call_id", "taught", "groups", "standing"),
    *("returned", "withdrawn", "bare"),
    *("shrunken", "edition", "same_as_base", "elsewhere", "judge", "by_schema", "scorer_code"),
)


def to_json(record: Any) -> dict[str, Any]:
    """Return a record as plain JSON values; a field `from_` (a Python keyword) has the key `from`.

    Such a record is only ever written: `read_record` knows no alias.
    """
    value: dict[str, Any] = dataclasses.asdict(
        record,
        dict_factory=lambda fields: {
            name.removesuffix("_"): v for name, v in fields if v or name not in UNSAID
        },
    )
    return value


def write_record(path: Path, record: Any) -> None:
    """Write a record atomically, with sorted keys; NaN and infinity are refused."""
    write_json(path, to_json(record))


def read_record(path: Path, kind: type[Record]) -> Record:
    """Read a record that an earlier stage wrote.

    Raises:
        DataError: the file is absent, is not JSON, or is not such a record. Evidence that cannot
            be read blocks; it never counts as empty.
    """
    with _reading(path, kind.__name__):
        return _record(parse_constants(path.read_text(encoding="utf-8")), kind, TypeAdapter(kind))


def read_records(path: Path, kind: type[Record]) -> list[Record]:
    """Read a record a line; raises `DataError` as `read_record`, with the line's number."""
    adapter, records, number = TypeAdapter(kind), list[Record](), 0
    with _reading(path, f"{kind.__name__} a line"), path.open("rb") as file:
        # Not str.splitlines: it would also split inside a text that holds U+2028.
        for number, line in enumerate(file, start=1):
            try:
                value = parse_constants(line.decode("utf-8"))
                records.append(_record(value, kind, adapter))
            except (ValueError, RecursionError) as error:
                raise ValueError(f"line {number}: {error}") from error
    return records


def read_value(path: Path) -> Any:
    """Read a file of one JSON value, such as a schema; raises `DataError` as `read_record`."""
    with _reading(path, "JSON value"):
        return parse_constants(path.read_text(encoding="utf-8"))


def read_text(path: Path) -> str:
    """Read a text that an earlier stage wrote; raises `DataError` as `read_record`."""
    with _reading(path, "text"):
        return path.read_text(encoding="utf-8")


def read_rows(path: Path) -> list[Example]:
    """The examples of one split file; raises `DataError` as `read_record`."""
    return read_records(path, Example)


def read_held_out_rows(path: Path) -> list[HeldOutRow]:
    """The held-out rows of the flow's snapshot, oldest first; raises `DataError`."""
    return read_records(path, HeldOutRow)


def _record(value: Any, kind: type[Record], adapter: TypeAdapter[Record]) -> Record:
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if isinstance(value, dict) and names.isdisjoint(value):
        # A record of defaults alone would be one of nothing: no champion, no rows.
        raise ValueError(f"has none of the keys {', '.join(sorted(names))}")
    return adapter.validate_python(value)


@contextmanager
def _reading(path: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(
            f"{path} is not there",
            rule=f"the stage before writes it: {kind}",
            remedy="run `pawl run TASK`, or `dvc repro`, which runs the stages in order",
        ) from error
    except (ValueError, RecursionError, OSError) as error:
        raise DataError(
            f"{path} holds no {kind}: {' '.join(str(error).split())[:300]}",
            rule="records are written atomically by the stage before and not edited",
            remedy="delete the file and run `dvc repro` again",
        ) from error
