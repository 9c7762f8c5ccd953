"""The training under way as a live MLflow run.

The train stage writes its steps to a file (`TaskFiles.points`). A thread of the flow's process
follows that file and logs the steps in batches. The live run is no evidence: a cycle's own run has
the whole curve, and versions name that one. While the store is down the training goes on; the steps
are logged once it answers again.
"""

from __future__ import annotations

import contextvars
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from pawl.config.schema import as_json
from pawl.errors import RegistryError
from pawl.store.client import Store, open_store, store_errors
from pawl.store.runs import METRICS, find_run, log_evidence, open_run
from pawl.workspace.paths import Workspace

LOG = logging.getLogger(__name__)
# Seconds between batches, and between samples of what the machine does.
EVERY, SAMPLE = 3.0, 5.0
# How long the last batch may take once the stage has ended, in seconds.
PATIENCE = 20.0
METRIC_NAMES = ("loss", "learning_rate", "grad_norm", "tokens_per_second", "memory_gib")
DEV_LOSS = "dev_loss"


@contextmanager
def shown_live(workspace: Workspace, task: str) -> Iterator[None]:
    """Within this, the steps that a training of the task takes show in MLflow as they come.

    Errors of the store are logged, once an outage, and never raised.
    """
    with beside(partial(_follow, workspace, task), patience=PATIENCE):
        yield


@contextmanager
def beside(follow: Callable[[threading.Event], None], *, patience: float) -> Iterator[None]:
    """Within this, `follow` runs in a thread; its event tells it to end, in `patience` seconds.

    It runs in the caller's context. Prefect's settings are in it: in a thread without them a log
    line would have Prefect start a server of its own, which everybody on this machine could use.
    """
    over = threading.Event()
    run = contextvars.copy_context().run
    # A daemon: a store that hangs may keep its thread, not the process.
    thread = threading.Thread(target=run, args=(follow, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(patience)


def _follow(workspace: Workspace, task: str, over: threading.Event) -> None:
    """Log the file's steps until `over` is set, and then the rest."""
    path = workspace.files(task).points
    log, down, ending = StepLogReader(path), False, False
    run: LiveRun | None = None
    while not ending:
        ending = over.wait(EVERY)
        new = log.read()
        try:
            if run and run.training != log.training:
                # Another training began: that one does not go on.
                run.end("KILLED")
                run = None
            if new is not None and log.training:
                run = run or LiveRun(open_store(workspace), workspace, task, log.training)
                run.log(new)
                run.log_dev(log.dev)
            if run and (log.end or ending):
                run.end(log.end or "KILLED")
                run = None
            down = False
        except RegistryError as error:
            if not down:
                LOG.warning("the training cannot be watched in MLflow: %s", error.found)
            # Which steps got through is read from the store, and the file from its beginning.
            if run:
                run.stop_monitor()
            log, run, down = StepLogReader(path), None, True


class StepLogReader:
    """Reads the file of `pawl.train.step_log` while it is written.

    `training` is the id of the training, `end` its final status, `steps` how many it takes; None:
    not known yet. `dev` are the dev losses that the last `read` found.
    """

    def __init__(self, path: Path) -> None:
        self.training: str | None = None
        self.end: str | None = None
        self.steps: int | None = None
        self.dev: list[dict[str, Any]] = []
        self._path, self._inode, self._offset = path, 0, 0

    def read(self) -> list[dict[str, Any]] | None:
        """The new steps; None where nothing is new, not even the end."""
        self.dev = []
        if not self._path.is_file():
            return None
        with self._path.open("rb") as file:
            # A training that begins or is resumed replaces the file.
            if (inode := os.fstat(file.fileno()).st_ino) != self._inode:
                self.end, self._inode, self._offset = None, inode, 0
            file.seek(self._offset)
            data = file.read()
        # A line without its newline is still being written.
        data = data[: data.rfind(b"\n") + 1]
        self._offset += len(data)
        lines = [json.loads(line) for line in data.splitlines()]
        for line in lines:
            self.training = line.get("training", self.training)
            self.end = line.get("end", self.end)
            self.steps = line.get("steps", self.steps)
        self.dev = [line for line in lines if "dev_step" in line]
        return [line for line in lines if "step" in line] if lines else None


class LiveRun:
    """A training's run in the store: a new one, or that of a training that is resumed."""

    def __init__(self, store: Store, workspace: Workspace, task: str, training: str) -> None:
        self.training, self._store = training, store
        self._logged, self._dev_logged, self._status = 0, 0, "RUNNING"
        self._monitor: Any = None
        op_id = f"training:{training}"
        existing = find_run(store, task, op_id)
        if existing is None:
            self._id = open_run(store, task, op_id=op_id, name=f"{task} training", tags={})
            params = {"train": as_json(workspace.task(task).train)}
            log_evidence(store, self._id, params=params)
            return
        self._id, self._status = str(existing.info.run_id), str(existing.info.status)
        self._logged, self._dev_logged = map(self._last, (METRIC_NAMES[0], DEV_LOSS))

    def log(self, steps: Sequence[dict[str, Any]]) -> None:
        """Log the steps that are not logged yet, each with all its metrics."""
        from mlflow.entities import Metric

        new = [step for step in steps if step["step"] > self._logged]
        if not new:
            return
        self._set_status("RUNNING")
        self._start_monitor()
        size = METRICS // len(METRIC_NAMES)
        for start in range(0, len(new), size):
            part = new[start : start + size]
            metrics = [
                Metric(f"train/{name}", step[name], step["at"], step["step"])
                for step in part
                for name in METRIC_NAMES
            ]
            with store_errors(self._store.uri):
                self._store.client.log_batch(self._id, metrics)
            self._logged = part[-1]["step"]

    def log_dev(self, losses: Sequence[dict[str, Any]]) -> None:
        """Log the dev losses that are not logged yet."""
        from mlflow.entities import Metric

        new = [line for line in losses if line["dev_step"] > self._dev_logged]
        if not new:
            return
        metrics = [
            Metric(f"train/{DEV_LOSS}", line[DEV_LOSS], line["at"], line["dev_step"])
            for line in new
        ]
        with store_errors(self._store.uri):
            self._store.client.log_batch(self._id, metrics)
        self._dev_logged = new[-1]["dev_step"]

    def _last(self, name: str) -> int:
        """The last step with this metric, 0 if there is none."""
        with store_errors(self._store.uri):
            history = self._store.client.get_metric_history(self._id, f"train/{name}")
        return max((metric.step for metric in history), default=0)

    def end(self, status: str) -> None:
        """End the run with this status; it is opened again if the training is resumed."""
        self.stop_monitor()
        self._set_status(status)

    def stop_monitor(self) -> None:
        """Stop sampling the machine."""
        if self._monitor is not None:
            self._monitor.finish()
            self._monitor = None

    def _set_status(self, status: str) -> None:
        if status == self._status:
            return
        with store_errors(self._store.uri):
            if status == "RUNNING":
                self._store.client.update_run(self._id, status)
            else:
                self._store.client.set_terminated(self._id, status)
        self._status = status

    def _start_monitor(self) -> None:
        """Have MLflow sample CPU, memory, disk, network and GPU of this machine."""
        if self._monitor is not None:
            return
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        monitor: Any = SystemMetricsMonitor
        uri = self._store.uri
        with store_errors(uri):
            self._monitor = monitor(self._id, SAMPLE, resume_logging=True, tracking_uri=uri)
        self._monitor.start()
