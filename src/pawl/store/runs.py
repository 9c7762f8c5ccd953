"""MLflow runs: parameters, scores and evidence of a cycle, in one experiment per task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.errors import RESTORE_FILES, RegistryError
from pawl.store.client import Store, ignore_if_exists, no_retries, none_if_absent, store_errors

if TYPE_CHECKING:
    from mlflow.entities import Run

# MLflow's limits for one request: 100 parameters, 1,000 metrics.
BATCH, METRICS = 100, 1000
# How many of a task's trainings are looked at for the one of a cycle.
RECENT = 10


def open_run(store: Store, task: str, *, op_id: str, name: str, tags: dict[str, str]) -> str:
    """Start the run of an operation and return its id.

    A run that the same operation left open (it crashed and is tried again) is continued.

    Raises:
        RegistryError: the task's experiment was deleted.
    """
    if (left := find_run(store, task, op_id, status="RUNNING")) is not None:
        return str(left.info.run_id)
    experiment, tags = experiment_id(store, task), {**tags, "pawl.op_id": op_id}
    # A request that is repeated after a lost reply would make a second run. The next attempt finds
    # the one that got through.
    with store_errors(store.uri), no_retries():
        run = store.client.create_run(experiment, tags=tags, run_name=name)
    return str(run.info.run_id)


def find_run(store: Store, task: str, op_id: str, *, status: str | None = None) -> Run | None:
    """The newest run of an operation, in that status if one is named; None if there is none."""
    query = f"tags.`pawl.op_id` = '{op_id}'"
    query += f" and attributes.status = '{status}'" if status else ""
    with store_errors(store.uri):
        runs = store.client.search_runs([experiment_id(store, task)], query, max_results=1)
    return runs[0] if runs else None


def experiment_id(store: Store, task: str) -> str:
    """The id of the task's experiment, made if it is absent."""
    name = store.named(task)
    with store_errors(store.uri):
        experiment = store.client.get_experiment_by_name(name)
        if experiment is None:
            folder = store.artifacts and f"{store.artifacts}/{name}"
            ignore_if_exists(lambda: store.client.create_experiment(name, artifact_location=folder))
            experiment = store.client.get_experiment_by_name(name)
    if experiment is None or experiment.lifecycle_stage != "active":
        raise RegistryError(
            f"the MLflow experiment '{name}' was deleted",
            rule="a task's cycles stay recorded",
            remedy=f"bring it back: `mlflow experiments restore`, experiment name '{name}'",
        )
    return str(experiment.experiment_id)


def trainings(store: Store, task: str) -> list[Run]:
    """The newest runs of trainings that were watched, newest first."""
    with store_errors(store.uri):
        return list(
            store.client.search_runs(
                [experiment_id(store, task)],
                "tags.`pawl.op_id` LIKE 'training:%'",
                max_results=RECENT,
            )
        )


def has_file(store: Store, run_id: str, name: str) -> bool:
    """Whether a run has a file of this name at its top."""
    with store_errors(store.uri):
        return name in list_files(store, run_id)


def end_run(store: Store, run_id: str) -> None:
    """End a run that is complete."""
    with store_errors(store.uri):
        store.client.set_terminated(run_id, "FINISHED")


def log_evidence(
    store: Store,
    run_id: str,
    *,
    params: Mapping[str, Any] = {},
    metrics: Mapping[str, float] = {},
    files: Mapping[Path, str] = {},
) -> None:
    """Put parameters, metrics and files on a run; doing it twice changes nothing.

    Args:
        params: nested parameters, flattened to `train/rank`; cut to MLflow's 6,000 characters.
        metrics: value by name, `gate/candidate/exact_match`; sent in batches.
        files: folder in the run ('' for the top) by local file or folder; absent ones are left
            out, because a cycle that ended early has fewer.
    """
    from mlflow.entities import Metric, Param

    at = _started(store, run_id) if metrics else 0
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
        RegistryError: the run lacks one of them.
    """
    with store_errors(store.uri):
        if missing := sorted(set(names) - list_files(store, run_id).keys()):
            raise RegistryError(
                f"the run {run_id} has no {', '.join(missing)}",
                rule="the evidence of a judged version stays on its run",
                remedy=RESTORE_FILES,
            )
        for name in names:
            copy_files(store, run_id, name, into)


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
    """Download one file of a run to the same path below the folder `into`; returns that path.

    Raises:
        RegistryError: the run has no such file.
    """
    # MLflow drops the file's folder: check/rows.jsonl would replace eval/rows.jsonl.
    folder = (into / name).parent
    folder.mkdir(parents=True, exist_ok=True)
    with store_errors(store.uri):
        try:
            return copy_files(store, run_id, name, folder)
        except OSError as error:
            raise RegistryError(
                f"the run {run_id} has no readable {name}: {error}",
                rule="the evidence of a judged version stays on its run",
                remedy=RESTORE_FILES,
            ) from error


def list_files(store: Store, run_id: str, folder: str = "") -> dict[str, int]:
    """The files and folders in a folder of a run ('': the top), by path; sizes in bytes."""
    if store.reader and (files := store.reader.files(run_id, folder)) is not None:
        return files
    listed = store.client.list_artifacts(run_id, folder or None)
    return {file.path: file.file_size or 0 for file in listed}


def copy_files(store: Store, run_id: str, name: str, into: Path) -> Path:
    """Download a file or folder of a run into the folder `into`, under its own last name."""
    if store.reader and (copy := store.reader.copy(run_id, name, into)) is not None:
        return copy
    return Path(store.client.download_artifacts(run_id, name, str(into)))


def size_of_files(store: Store, run_id: str, folder: str) -> int | None:
    """The size of a folder of a run in bytes, None where the run has no such folder."""
    with store_errors(store.uri):
        files = none_if_absent(lambda: list_files(store, run_id, folder))
    return sum(files.values()) if files else None


def delete_files(store: Store, run_id: str, folder: str) -> None:
    """Delete a folder of a run; the run stays.

    Raises:
        RegistryError: the store does not allow files to be deleted.
    """
    # The client cannot delete a run's files; the artifact repository that it uses can.
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    with store_errors(store.uri):
        uri = str(store.client.get_run(run_id).info.artifact_uri)
        repository: Any = get_artifact_repository(uri, tracking_uri=store.uri)
        repository.delete_artifacts(folder)


def _started(store: Store, run_id: str) -> int:
    """The run's start in ms: the time of all its metrics, so that a retry adds no second point."""
    with store_errors(store.uri):
        return int(store.client.get_run(run_id).info.start_time)


def _flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in params.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}/")
        elif value is not None:
            flat[f"{prefix}{key}"] = str(value)[:6000]
    return flat
