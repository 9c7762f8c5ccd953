"""Which gate rows judge a candidate: those of its look that no contender was trained on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import TypeAdapter

from pawl.core.alpha_budget import gate_split_id, unspent
from pawl.core.records import (
    AdapterManifest,
    Champion,
    Example,
    Look,
    SplitReport,
    read_record,
)
from pawl.core.records.io import read_held_out_rows
from pawl.core.row_identity import row_hashes
from pawl.errors import DataError
from pawl.model.adapter import read_adapter
from pawl.workspace.paths import TaskFiles


def read_look(path: Path) -> Look | None:
    """Read `look.json`; None if no look is reserved."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))["look"]
        return None if value is None else TypeAdapter(Look).validate_python(value)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{path} holds no look: {error}",
            rule='it is {"look": null} or a look that the flow reserved',
            remedy="delete the file and run `pawl run` again",
        ) from error


def champion_manifest(files: TaskFiles, champion: Champion) -> AdapterManifest | None:
    """The manifest of the champion's snapshot, verified; None without a champion.

    Its base may be another than the task's: that of before the task moved.
    """
    if champion.version is None:
        return None
    manifest = read_adapter(files.champion / "adapter")
    if manifest.digest != champion.digest:
        raise DataError(
            f"the snapshot of champion {champion.version} has digest {manifest.digest[:12]}",
            rule=f"the ledger released {(champion.digest or 'nothing')[:12]}",
            remedy="delete build/TASK/champion and run `pawl run` again",
        )
    return manifest


def budget_rows(files: TaskFiles, task: str, gate: Sequence[Example], look: Look) -> list[Example]:
    """The gate rows of the look's budget: rows used up by an earlier budget are left out."""
    register = files.held_out_register
    held_out = read_held_out_rows(register) if register.is_file() else ()
    salt = read_record(files.splits / "manifest.json", SplitReport).salt
    return unspent(gate, held_out, split_id=gate_split_id(task, salt), since=look.since)


def unseen_rows(
    rows: Sequence[Example], adapters: Iterable[AdapterManifest | None]
) -> list[Example]:
    """The rows that none of the adapters or its ancestors was trained on: these may judge them."""
    unseen = not_learned(rows, adapters)
    if not unseen:
        raise DataError(
            f"all {len(rows)} gate rows were trained on by one of the contenders",
            rule="no row that a contender was trained on judges it",
            remedy="add fresh rows; do not change `split.salt` of a task that has a champion",
        )
    return unseen


def not_learned(
    rows: Sequence[Example], adapters: Iterable[AdapterManifest | None]
) -> list[Example]:
    """The rows that none of the adapters or its ancestors was trained on; there may be none."""
    learned = {key for adapter in adapters if adapter for key in adapter.learned}
    return [row for row in rows if learned.isdisjoint(row_hashes(row))]
