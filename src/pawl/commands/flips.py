"""`pawl flips`: the rows that a version won and lost against the champion at its judgement."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

from pawl.commands.evidence import ROWS, stored_evidence
from pawl.core.records import AdapterManifest, Verdict, read_record, read_rows
from pawl.errors import UsageError
from pawl.gate.flips import CHAMPION, Changed, changed, compared_first, flips
from pawl.model.adapter import MANIFEST
from pawl.release.signing import EVIDENCE
from pawl.report.flips import FlipsReport
from pawl.store.client import Store
from pawl.store.runs import fetch_file
from pawl.store.versions import AdapterVersion, get, versions
from pawl.workspace.paths import Workspace


def flips_of(
    workspace: Workspace, store: Store, task: str, version: int | None = None
) -> FlipsReport:
    """Return the flips of a version (default: the newest), from the stored evidence alone.

    They are against the champion of then; without one, against the contender that the verdict
    compares first. Those on dev where the screen ended the judgement before a look.

    Raises:
        UsageError: no such version, the gate is sealed, or it was compared with nothing.
        DataError: the stored rows are not those that the stored report names.
        RegistryError: the store cannot be reached, or lacks the evidence.
    """
    judged = _version(store, task, version)
    split: Literal["dev", "gate"] = "gate" if judged.look else "dev"
    if split == "gate":
        _refuse_sealed(workspace, judged)
    metric = str(judged.params["gate"]["metric"])
    with tempfile.TemporaryDirectory() as folder:
        here, there = Path(folder) / "candidate", Path(folder) / "champion"
        evidence = stored_evidence(store, judged, here)
        if (number := judged.against.version) is None:
            verdict = read_record(_fetch(store, judged, EVIDENCE, here), Verdict)
            if not verdict.comparisons:
                raise UsageError(
                    f"version {judged.version} of '{task}' was compared with nothing",
                    rule="a flip is a row that two contenders answer differently well",
                    remedy=f"name another version: `pawl flips {task} VERSION`",
                )
            against, data = compared_first(verdict), None
        else:
            against, data = CHAMPION, _changed(store, judged, get(store, task, number), here, there)
        found = flips(
            evidence.scores,
            evidence.rows,
            metric,
            against=against,
            split=split,
            known=evidence.known,
        )
    return FlipsReport(
        task=task,
        version=judged.version,
        against=against if number is None else number,
        metric=metric,
        won=tuple(flip for flip in found if flip.won),
        lost=tuple(flip for flip in found if not flip.won),
        data=data,
        split=split,
    )


def _version(store: Store, task: str, version: int | None) -> AdapterVersion:
    if version is not None:
        return get(store, task, version)
    if registered := versions(store, task):
        return registered[-1]
    raise UsageError(f"task '{task}' has no version yet", remedy=f"run `pawl run {task}`")


def _changed(
    store: Store, judged: AdapterVersion, champion: AdapterVersion, here: Path, there: Path
) -> Changed:
    """How the train rows of a version differ from those of its champion of then."""
    (rows, mine), (earlier, other) = (
        (
            read_rows(_fetch(store, one, ROWS, place)),
            read_record(_fetch(store, one, f"adapter/{MANIFEST}", place), AdapterManifest),
        )
        for one, place in ((judged, here), (champion, there))
    )
    return changed(mine, rows, other, earlier)


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
