"""`pawl flips`: the rows that a version won and lost against the champion at its judgement."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

from pawl.core.files import digest_file
from pawl.core.records import AdapterManifest, EvalReport, Score, read_record, read_rows
from pawl.core.records.io import read_held_out_rows, read_records
from pawl.errors import RESTORE_FILES, DataError, UsageError
from pawl.gate.flips import changed, flips
from pawl.model.adapter import MANIFEST
from pawl.report.flips import FlipsReport
from pawl.store.client import Store
from pawl.store.runs import fetch_file, has_file
from pawl.store.versions import AdapterVersion, get, versions
from pawl.workspace.paths import TaskFiles, Workspace


def flips_of(
    workspace: Workspace, store: Store, task: str, version: int | None = None
) -> FlipsReport:
    """Return the flips of a version (default: the newest), from the stored evidence alone.

    Those on dev where the screen ended its judgement before a look.

    Raises:
        UsageError: no such version, the gate is sealed, or no champion was judged against.
        DataError: the stored rows are not those that the stored report names.
        RegistryError: the store cannot be reached, or lacks the evidence.
    """
    if version is not None:
        judged = get(store, task, version)
    elif registered := versions(store, task):
        judged = registered[-1]
    else:
        raise UsageError(f"task '{task}' has no version yet", remedy=f"run `pawl run {task}`")
    split: Literal["dev", "gate"] = "gate" if judged.look else "dev"
    if split == "gate":
        _refuse_sealed(workspace, judged)
    if judged.against.version is None:
        raise UsageError(
            f"version {judged.version} of '{task}' was judged without a champion",
            rule="a flip is a row that candidate and champion answer differently well",
            remedy=f"name a later version: `pawl flips {task} VERSION`",
        )
    champion = get(store, task, judged.against.version)
    metric = str(judged.params["gate"]["metric"])
    with tempfile.TemporaryDirectory() as folder:
        here, there = Path(folder) / "candidate", Path(folder) / "champion"
        report = read_record(_fetch(store, judged, "eval/report.json", here), EvalReport)
        scores = _fetch(store, judged, "eval/rows.jsonl", here)
        if digest_file(scores) != report.scores:
            raise DataError(
                f"the stored rows of version {judged.version} are not those of its report",
                rule="the report names its rows by digest",
                remedy=f"delete {scores.name} of that run, then {RESTORE_FILES}",
            )
        (rows, mine), (earlier, other) = (
            (
                read_rows(_fetch(store, one, "check/rows.jsonl", place)),
                read_record(_fetch(store, one, f"adapter/{MANIFEST}", place), AdapterManifest),
            )
            for one, place in ((judged, here), (champion, there))
        )
        register = TaskFiles(here).held_out_register.name
        known = (
            read_held_out_rows(_fetch(store, judged, register, here))
            if has_file(store, judged.run_id, register)
            else ()
        )
        found = flips(read_records(scores, Score), rows, metric, split=split, known=known)
    return FlipsReport(
        task=task,
        version=judged.version,
        against=champion.version,
        metric=metric,
        won=tuple(flip for flip in found if flip.won),
        lost=tuple(flip for flip in found if not flip.won),
        data=changed(mine, rows, other, earlier),
        split=split,
    )


def _refuse_sealed(workspace: Workspace, judged: AdapterVersion) -> None:
    """Refuse a gate that was sealed at the judgement or is sealed now."""
    then = judged.params.get("gate", {}).get("disclosure")
    if "sealed" in (then, workspace.task(judged.task).gate.disclosure):
        raise UsageError(
            f"the gate of '{judged.task}' is sealed: its rows and answers are not shown",
            rule="`gate.disclosure: sealed` shows pass or fail and the failing rule's name alone",
            remedy="look at the dev split, which may be looked at freely",
        )


def _fetch(store: Store, version: AdapterVersion, name: str, into: Path) -> Path:
    return fetch_file(store, version.run_id, name, into=into)
