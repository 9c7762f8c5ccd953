"""A task's section against the files of its workspace: names that stand in none of them.

Nothing of the task's is imported and little is read, so that whatever begins a cycle can ask first.
What is not there yet (data before `dvc pull`) or broken in itself is for the stage that needs it to
say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pawl.basecheck import unfit
from pawl.errors import DataError, nearest
from pawl.functions import undefined
from pawl.params import ROW_KEYS, Task
from pawl.policycheck import Fault, named_metrics

# Of the data only its first rows are looked at; the stage `check` asks all of them.
FIRST = 20
LONGEST = 1 << 20


def absent(task: Task, root: Path) -> Iterator[Fault]:
    """What the section names and the files below `root` do not have."""
    for metric, function in task.evaluate.scorers.items():
        if missing := undefined(function, root):
            yield Fault(("evaluate", "scorers", metric), *missing)
    yield from _unknown_fields(task, root)
    yield from _no_enum(task, root)
    yield from unfit(task.base, task.train, root)


def _unknown_fields(task: Task, root: Path) -> Iterator[Fault]:
    asked = {"group_by": task.split.group_by, "slice_by": task.split.slice_by}
    known = _row_keys(root / task.data) if any(asked.values()) else None
    for option, name in asked.items():
        if name is not None and known is not None and name not in known:
            yield Fault(
                ("split", option),
                f" = '{name}': no such key in the first rows of {task.data}",
                "it names a key that every row has, with a text or a number",
                nearest(name, known),
                DataError,
            )


def _row_keys(path: Path) -> set[str] | None:
    """The further keys of the first rows; None where they cannot be told."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            lines = [file.readline(LONGEST) for _ in range(FIRST)]
        rows = [json.loads(line) for line in lines if line]
    except (OSError, ValueError, RecursionError):
        return None
    keys = {key for row in rows if isinstance(row, dict) for key in row}
    return keys - set(ROW_KEYS) if rows else None


def _no_enum(task: Task, root: Path) -> Iterator[Fault]:
    if task.schema is None:
        return
    try:
        schema = json.loads((root / task.schema).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return
    fields = schema.get("properties") if isinstance(schema, dict) else None
    values = fields.values() if isinstance(fields, dict) else ()
    if any(isinstance(field, dict) and "enum" in field for field in values):
        return
    for at, metric in named_metrics(task):
        if metric == "enum_valid":
            yield Fault(
                at,
                f": 'enum_valid', but {task.schema} has no field with an `enum`",
                "it is the share of the schema's top-level `enum` fields given with their values",
                "give a field of the schema an `enum`, or name another metric",
            )
