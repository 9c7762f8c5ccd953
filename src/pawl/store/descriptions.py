"""What people read on MLflow's pages: names, descriptions, columns, data sets, parents of runs.

None of it is evidence, and nothing of it is read back: versions and the ledger are signed, these
texts are not. Every function that takes a store raises `RegistryError` where it cannot be reached.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pawl.store.client import Store, none_if_absent, store_errors
from pawl.store.registry import DESCRIPTION, cut
from pawl.store.runs import experiment_id

PARENT, NOTE = "mlflow.parentRunId", "mlflow.note.content"
# Tags of a run that holds a contender's answers to rows.
EVALUATION = {"mlflow.runType": "genai_evaluate"}
VERDICT, DECIDED = "verdict", "decided by"
# MLflow keeps a view that people share under this name; the address of `runs_page` opens it.
VIEW = "mlflow.sharedViewState.pawl"


@dataclass(frozen=True)
class RunText:
    """What is written on a run: its name, description, further tags and metrics.

    `parent` is the run that it is shown below. `datasets` maps a split to the digest and number of
    its rows; `source` is where they come from.
    """

    name: str
    description: str
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    parent: str | None = None
    datasets: Mapping[str, tuple[str, int]] | None = None
    source: str = ""


def run_name(task: str, *, verdict: str, data: str = "") -> str:
    """A cycle's name for people: `tickets · 2026-11-28 · data v2 · promote` (the day in UTC)."""
    day = datetime.now(UTC).date().isoformat()
    return " · ".join(part for part in (task, day, data, verdict) if part)


def describe_run(store: Store, run_id: str, text: RunText) -> None:
    """Write a run's name, description, tags, metrics and data sets."""
    from mlflow.entities import Metric, RunTag

    tags = {**text.tags, NOTE: text.description}
    if text.parent:
        tags[PARENT] = text.parent
    with store_errors(store.uri):
        run = store.client.get_run(run_id)
        if run.info.run_name != text.name:
            store.client.update_run(run_id, name=text.name)
        at = int(run.info.start_time)
        metrics = [Metric(name, value, at, 0) for name, value in text.metrics.items()]
        store.client.log_batch(run_id, metrics, (), [RunTag(*tag) for tag in tags.items()])
        if text.datasets:
            store.client.log_inputs(run_id, _inputs(text))


def describe_experiment(store: Store, task: str, *, text: str, metric: str) -> str:
    """Have a task's experiment say what it is and show verdict and deciding metric; its id."""
    columns = [f"tags.`{VERDICT}`", f"tags.`{DECIDED}`", f"metrics.`{metric}`"]
    shown = {"selectedColumns": columns, "runsExpanded": {}}
    tags = {
        # Which of MLflow's two kinds of experiment it is, for versions that ask the experiment.
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.experiment.primaryMetric.name": metric,
        NOTE: text,
        VIEW: json.dumps(shown, sort_keys=True),
    }
    with store_errors(store.uri):
        experiment = store.client.get_experiment(experiment_id(store, task))
        for key, value in tags.items():
            if experiment.tags.get(key) != value:
                store.client.set_experiment_tag(experiment.experiment_id, key, value)
    return str(experiment.experiment_id)


def describe_model(store: Store, name: str, *, text: str, tags: Mapping[str, str] = {}) -> None:
    """Have a registered model say what it is; does nothing where there is none."""
    name = store.named(name)
    with store_errors(store.uri):
        model = none_if_absent(lambda: store.client.get_registered_model(name))
        if model is None:
            return
        if model.description != text:
            store.client.update_registered_model(name, description=text)
        for key, value in tags.items():
            if model.tags.get(key) != value:
                store.client.set_registered_model_tag(name, key, value)


def describe_version(store: Store, task: str, version: int, *, text: str) -> None:
    """Write a version's description; does nothing where it was deleted in MLflow."""
    short, name = cut(text, DESCRIPTION), store.named(task)
    with store_errors(store.uri):
        none_if_absent(
            lambda: store.client.update_model_version(name, str(version), description=short)
        )


def runs_page(experiment: str) -> str:
    """The address below a server at which MLflow shows an experiment's runs.

    Without `workflowType` its pages open on traces, whatever the experiment holds.
    """
    return f"#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey=pawl"


def _inputs(text: RunText) -> list[Any]:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    datasets = text.datasets or {}
    return [
        DatasetInput(
            Dataset(
                name=split,
                digest=digest[:16],
                source_type="dvc",
                source=json.dumps({"uri": text.source, "sha256": digest}),
                profile=json.dumps({"num_rows": rows}),
            ),
            [InputTag("mlflow.data.context", split)],
        )
        for split, (digest, rows) in datasets.items()
    ]
