"""Cycles as MLflow runs: parameters, scores and evidence of each, in one experiment per task."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from pawl.core.files import write_json
from pawl.core.records import Cycle, to_json
from pawl.errors import RegistryError
from pawl.store.client import Store, sent_once, store_errors, unless_made

if TYPE_CHECKING:
    from mlflow.entities import Run

# MLflow cuts a longer tag without a word; the whole cycle is then in the artifact alone.
TAG_LIMIT = 8000
CYCLE, POSTED = "pawl.cycle", "pawl.posted"
# MLflow's limits for one request: 100 parameters, 1,000 metrics.
BATCH, METRICS = 100, 1000


def open_run(store: Store, task: str, *, op_id: str, name: str, tags: dict[str, str]) -> str:
    """Start the run of one cycle and return its id.

    A run that the same operation left open (it crashed, it is tried again) is taken up again.

    Raises:
        RegistryError: the store cannot be reached, or the task's experiment was deleted.
    """
    left = find_run(store, task, op_id, status="RUNNING")
    if left is not None:
        return str(left.info.run_id)
    experiment = _experiment(store, task)
    with store_errors(store.uri):
        # Sent once: a request that is repeated after a lost reply would make a second run. The
        # next attempt finds the one that got through.
        with sent_once():
            run = store.client.create_run(
                experiment, tags={**tags, "pawl.op_id": op_id}, run_name=name
            )
        return str(run.info.run_id)


def find_run(store: Store, task: str, op_id: str, *, status: str | None = None) -> Run | None:
    """The newest run of an operation, in that status if one is named; None if there is none."""
    asked = f"tags.`pawl.op_id` = '{op_id}'"
    asked += f" and attributes.status = '{status}'" if status else ""
    with store_errors(store.uri):
        found = store.client.search_runs([_experiment(store, task)], asked, max_results=1)
    return found[0] if found else None


def log_evidence(
    store: Store,
    run_id: str,
    *,
    params: dict[str, Any],
    metrics: dict[str, float],
    files: dict[Path, str],
) -> None:
    """Put parameters, metrics and files on a run; doing it twice changes nothing.

    Args:
        store: the open store.
        run_id: from `open_run`.
        params: nested parameters, flattened to `train/rank`; cut to MLflow's 6,000 characters.
        metrics: value by name, `gate/candidate/exact_match`; sent in batches.
        files: local file or folder to its folder in the run, '' for the top; absent ones are
            left out, because a cycle that ended early has fewer.
    """
    from mlflow.entities import Metric, Param

    at = _started(store, run_id)
    flat = [Param(key, value) for key, value in _flatten(params).items()]
    numbers = [Metric(key, value, at, 0) for key, value in metrics.items()]
    with store_errors(store.uri):
        for start in range(0, max(len(flat), len(numbers)), BATCH):
            end = start + BATCH
            store.client.log_batch(run_id, numbers[start:end], flat[start:end])
        for path, folder in files.items():
            if path.is_dir():
                store.client.log_artifacts(run_id, str(path), folder)
            elif path.is_file():
                store.client.log_artifact(run_id, str(path), folder or None)


def fetch_evidence(store: Store, run_id: str, names: Sequence[str], *, into: Path) -> None:
    """Download files and folders that `log_evidence` put on a run into the folder `into`.

    Raises:
        RegistryError: the store cannot be reached, or the run lacks one of them.
    """
    with store_errors(store.uri):
        there = {file.path for file in store.client.list_artifacts(run_id)}
        if missing := sorted(set(names) - there):
            raise RegistryError(
                f"the run {run_id} has no {', '.join(missing)}",
                rule="a judged version keeps its evidence on its run",
                remedy="restore the store's artifact folder from its backup",
            )
        for name in names:
            store.client.download_artifacts(run_id, name, str(into))


def log_curve(
    store: Store, run_id: str, points: Sequence[dict[str, float]], *, prefix: str = "train"
) -> None:
    """Put a curve on a run: `train/loss` and its like, over the points' `step`."""
    from mlflow.entities import Metric

    at = _started(store, run_id)
    curve = [
        Metric(f"{prefix}/{key}", float(value), at, int(point.get("step", index)))
        for index, point in enumerate(points)
        for key, value in point.items()
        if key != "step"
    ]
    with store_errors(store.uri):
        for start in range(0, len(curve), METRICS):
            store.client.log_batch(run_id, curve[start : start + METRICS])


def fetch_file(store: Store, run_id: str, name: str, *, into: Path) -> Path:
    """Bring one file of a run to its place below the folder `into` and return where it lies.

    Raises:
        RegistryError: the store cannot be reached, or the run has no such file.
    """
    # MLflow drops the file's folder: check/rows.jsonl would take the place of eval/rows.jsonl.
    place = (into / name).parent
    place.mkdir(parents=True, exist_ok=True)
    with store_errors(store.uri):
        try:
            return Path(store.client.download_artifacts(run_id, name, str(place)))
        except OSError as error:
            raise RegistryError(
                f"the run {run_id} has no readable {name}: {error}",
                rule="a judged version's run keeps its evidence",
                remedy="restore the store's artifact folder from its backup",
            ) from error


def close_run(store: Store, cycle: Cycle, *, posted: str = "") -> None:
    """Write the cycle to its run and end the run; `posted` names the order that it delivers."""
    if cycle.run_id is None:
        raise ValueError("a cycle without a run cannot be closed")
    text = json.dumps(to_json(cycle), sort_keys=True, ensure_ascii=False, allow_nan=False)
    with store_errors(store.uri), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cycle.json"
        write_json(path, to_json(cycle))
        store.client.log_artifact(cycle.run_id, str(path))
        store.client.set_tag(cycle.run_id, "pawl.verdict", cycle.verdict)
        store.client.set_tag(cycle.run_id, CYCLE, text if len(text) <= TAG_LIMIT else "")
        if posted:
            store.client.set_tag(cycle.run_id, POSTED, posted)
        store.client.set_terminated(cycle.run_id, "FINISHED")


def finished(store: Store, task: str, posted: str) -> Cycle | None:
    """What an order of the outbox came to, None if it was not delivered to its end.

    Raises:
        RegistryError: the store cannot be reached, or the run carries no cycle.
    """
    with store_errors(store.uri):
        experiment = store.client.get_experiment_by_name(task)
        if experiment is None:
            return None
        said = f"tags.`{POSTED}` = '{posted}' and attributes.status = 'FINISHED'"
        runs = store.client.search_runs([experiment.experiment_id], said, max_results=1)
    return _cycle_of(store, runs[0]) if runs else None


def last_cycle(store: Store, task: str) -> tuple[Cycle, str] | None:
    """The newest finished cycle and when it ended (UTC, ISO 8601), None if there was none yet.

    Raises:
        RegistryError: the store cannot be reached, or the run carries no cycle.
    """
    with store_errors(store.uri):
        experiment = store.client.get_experiment_by_name(task)
        if experiment is None:
            return None
        runs = store.client.search_runs(
            [experiment.experiment_id],
            "attributes.status = 'FINISHED' and tags.`pawl.verdict` != ''",
            order_by=["attributes.start_time DESC"],
            max_results=1,
        )
    if not runs:
        return None
    ended = datetime.fromtimestamp(runs[0].info.end_time / 1000, UTC)
    return _cycle_of(store, runs[0]), ended.isoformat(timespec="milliseconds")


def _cycle_of(store: Store, run: Run) -> Cycle:
    run_id = run.info.run_id
    text = run.data.tags.get(CYCLE)
    with store_errors(store.uri), tempfile.TemporaryDirectory() as folder:
        if not text:
            got = store.client.download_artifacts(run_id, "cycle.json", folder)
            text = Path(got).read_text(encoding="utf-8")
    try:
        return TypeAdapter(Cycle).validate_json(text)
    except ValidationError as error:
        raise RegistryError(
            f"the run {run_id} carries no cycle: {error.error_count()} fields are off",
            rule="a run's `pawl.cycle` is written by Pawl and not edited",
            remedy="delete that run in MLflow, or restore the store from its backup",
        ) from error


def _experiment(store: Store, task: str) -> str:
    """The id of the task's experiment, made if it is absent."""
    with store_errors(store.uri):
        found = store.client.get_experiment_by_name(task)
        if found is None:
            where = store.artifacts and f"{store.artifacts}/{task}"
            unless_made(lambda: store.client.create_experiment(task, artifact_location=where))
            found = store.client.get_experiment_by_name(task)
    if found is None or found.lifecycle_stage != "active":
        raise RegistryError(
            f"the MLflow experiment '{task}' was deleted",
            rule="a task's cycles stay on record",
            remedy=f"bring it back: `mlflow experiments restore`, experiment name '{task}'",
        )
    return str(found.experiment_id)


def _started(store: Store, run_id: str) -> int:
    """When the run began, in ms: one time for all its numbers, so that a retry adds no second."""
    with store_errors(store.uri):
        return int(store.client.get_run(run_id).info.start_time)


def _flatten(params: dict[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in params.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}/")
        elif value is not None:
            flat[f"{prefix}{key}"] = str(value)[:6000]
    return flat
