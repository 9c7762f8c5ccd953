"""`pawl report`: a task across its cycles, from the versions' stored evidence."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pawl.commands.status import looks_left
from pawl.config.schema import Task
from pawl.core.files import digest_file, write_text
from pawl.core.metrics import judged
from pawl.core.records import EvalReport, Score, Training, read_record
from pawl.core.records.io import read_records
from pawl.errors import AdapterError, DataError, PawlError, RegistryError
from pawl.gate.flips import CANDIDATE
from pawl.ledger.budget_status import task_budget_status
from pawl.ledger.entries import State
from pawl.ledger.state import read_state
from pawl.release.history import history
from pawl.release.judged_code import earlier_scorers
from pawl.report.trends.page import page
from pawl.report.trends.record import JudgedVersion, TaskReport, TrainingSpent
from pawl.store.client import Store
from pawl.store.runs import fetch_file
from pawl.store.versions import AdapterVersion, versions
from pawl.workspace.paths import Workspace

HOUR = 3600.0
# The newest versions whose rows are read: each is a file of the store.
MOST = 30
Split = Literal["dev", "gate"]
# A candidate's values of the deciding metric by row key.
Values = dict[str, float]


def report(workspace: Workspace, store: Store, task: str) -> TaskReport:
    """Return the task's trends; raises `RegistryError` if the store cannot be reached."""
    section, state, notes = workspace.task(task), read_state(store, task), list[str]()
    registered = versions(store, task)
    if len(registered) > MOST:
        notes.append(f"the newest {MOST} of {len(registered)} versions are shown")
    shown = registered[-MOST:]
    split = _split(section, shown)
    metric = section.gate.metric
    values = {one.version: _values(store, one, metric, split, notes) for one in shown}
    same = _same_rows(values.values())
    judged_versions = tuple(_judged(store, state, one, values[one.version], same) for one in shown)
    notes += [note for one in shown for note in earlier_scorers(workspace, store, one)]
    looks = None
    try:
        looks = looks_left(task_budget_status(workspace, store, state, task), section.gate)
    except (AdapterError, DataError, RegistryError) as error:
        notes.append(error.found)
    return TaskReport(
        task=task,
        metric=metric,
        split=split,
        same_rows=len(same),
        champion=state.champion.version,
        versions=judged_versions,
        changes=history(store, task),
        looks=looks,
        spent=_spent(judged_versions),
        notes=tuple(notes),
    )


def write_page(workspace: Workspace, found: TaskReport) -> Path:
    """Write the report as a page to `build/<task>/report.html`; returns its path."""
    path = workspace.files(found.task).trends
    write_text(path, page(found))
    return path


def _split(section: Task, shown: Sequence[AdapterVersion]) -> Split:
    """The split whose rows are compared: a gate that is or was sealed shows nothing."""
    then = [one.params.get("gate", {}).get("disclosure") for one in shown]
    return "dev" if "sealed" in (section.gate.disclosure, *then) else "gate"


def _values(
    store: Store, one: AdapterVersion, metric: str, split: Split, notes: list[str]
) -> Values | None:
    """The version's value a row, None (and a note) where its evidence cannot be read."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = fetch_file(store, one.run_id, "eval/rows.jsonl", into=Path(folder))
            scores = read_records(path, Score)
            if split == "gate":
                stored = fetch_file(store, one.run_id, "eval/report.json", into=Path(folder))
                if digest_file(path) != read_record(stored, EvalReport).scores:
                    raise DataError(f"the rows of version {one.version} are not those judged")
    except (DataError, RegistryError) as error:
        notes.append(f"version {one.version}: {error.found}")
        return None
    return {
        score.key: judged(metric, score.values[metric])
        for score in scores
        if (score.contender, score.split) == (CANDIDATE, split) and metric in score.values
    }


def _same_rows(values: Iterable[Values | None]) -> frozenset[str]:
    """The rows that all versions answered whose rows could be read."""
    read = [frozenset(one) for one in values if one]
    return frozenset.intersection(*read) if read else frozenset()


def _judged(
    store: Store,
    state: State,
    one: AdapterVersion,
    values: Values | None,
    same: frozenset[str],
) -> JudgedVersion:
    hours = _training_hours(store, one)
    price = (one.params.get("cost") or {}).get("train_hour")
    return JudgedVersion(
        version=one.version,
        when=one.when,
        verdict=one.verdict,
        released=any(entry.new == one.champion for entry in state.releases),
        rows=one.rows,
        own=sum(values.values()) / len(values) if values else None,
        own_rows=len(values) if values else None,
        same=sum(values[key] for key in same) / len(same) if values and same else None,
        hours=hours,
        cost=None if hours is None or price is None else hours * float(price),
        looks_left=_looks_left(state, one.look),
    )


def _training_hours(store: Store, one: AdapterVersion) -> float | None:
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = fetch_file(store, one.run_id, "training.json", into=Path(folder))
            return read_record(path, Training).seconds / HOUR
    except PawlError:
        return None


def _looks_left(state: State, question: str | None) -> int | None:
    """Looks of the budget that were left after the one that judged this question."""
    for entries in state.looks.values():
        for number, entry in enumerate(entries, start=1):
            if question is not None and entry.details["question"] == question:
                used = number - int(entry.details["since"]) + 1
                return max(0, int(entry.details["of"]) - used)
    return None


def _spent(shown: Sequence[JudgedVersion]) -> TrainingSpent:
    released = sum(one.released for one in shown)
    hours, cost = _sum([one.hours for one in shown]), _sum([one.cost for one in shown])
    return TrainingSpent(
        hours=hours,
        cost=cost,
        released=released,
        hours_each=None if hours is None or not released else hours / released,
        cost_each=None if cost is None or not released else cost / released,
    )


def _sum(values: Sequence[float | None]) -> float | None:
    """The sum; None if one is missing: a part would pass for the whole."""
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None
