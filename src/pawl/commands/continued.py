"""Another task's history for a new one: what `pawl new` says of it, and what it carries over."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from pawl.config.schema import Params, Split
from pawl.core.records import Example
from pawl.errors import RegistryError, UsageError
from pawl.ledger.elsewhere import judged_elsewhere
from pawl.store.addresses import sqlite_file
from pawl.store.client import open_store
from pawl.workspace.paths import Workspace


def split_of(task: str, params: Params) -> dict[str, Any]:
    """How a task splits its rows, as params.yaml has it, without what is the default.

    Raises:
        UsageError: there is no such task.
    """
    if task not in params.tasks:
        raise UsageError(
            f"there is no task '{task}' to go on from",
            rule="a task is split as the one that it goes on from, whose section is in params.yaml",
            remedy=f"name one of: {', '.join(sorted(params.tasks)) or '(there is none)'}",
        )
    split = params.tasks[task].split
    usual = dataclasses.asdict(Split(split.salt))
    told = {"salt", "dev", "gate"}
    return {k: v for k, v in dataclasses.asdict(split).items() if k in told or v != usual[k]}


def judged_before(workspace: Workspace, task: str, rows: Sequence[Example]) -> list[str]:
    """Which other tasks of the store were judged on some of these rows, a sentence each."""
    file = sqlite_file(workspace.tracking_uri)
    if file is not None and not file.is_file():
        return []
    try:
        others = judged_elsewhere(open_store(workspace, reading=True), task, rows)
    except RegistryError as error:
        return [f"whether another task was judged on these rows is not known: {error.found}"]
    return [
        f"'{other}' was judged on {count:,} of these rows: `--continues {other}` counts its looks"
        for other, count in others.items()
    ]
