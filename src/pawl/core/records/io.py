"""Records to JSON files and back, validated when read."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from pawl.core.files import read_lines, write_json
from pawl.core.jsonio import refuse_constant
from pawl.core.records.data import Example, HeldOutRow
from pawl.errors import DataError

Record = TypeVar("Record")


def to_json(record: Any) -> dict[str, Any]:
    """Return a record as plain JSON values; a field `from_` (a Python keyword) has the key `from`.

    Such a record is only ever written: `read_record` knows no alias.
    """
    value: dict[str, Any] = dataclasses.asdict(
        record, dict_factory=lambda fields: {name.removesuffix("_"): v for name, v in fields}
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
    try:
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse_constant)
        return TypeAdapter(kind).validate_python(value)
    except FileNotFoundError as error:
        raise DataError(
            f"{path} is not there",
            rule=f"the stage before writes a {kind.__name__} record",
            remedy="run `pawl run TASK`, or `dvc repro`, which runs the stages in order",
        ) from error
    except (ValueError, ValidationError, OSError) as error:
        raise DataError(
            f"{path} holds no {kind.__name__}: {' '.join(str(error).split())[:300]}",
            rule="records are written atomically by the stage before and not edited",
            remedy="delete the file and run `dvc repro` again",
        ) from error


def read_rows(path: Path) -> list[Example]:
    """The examples of one split file that the split stage wrote."""
    return list(map(TypeAdapter(Example).validate_python, read_lines(path)))


def read_held_out_rows(path: Path) -> list[HeldOutRow]:
    """The held-out rows of the flow's snapshot, oldest first."""
    return list(map(TypeAdapter(HeldOutRow).validate_python, read_lines(path)))
