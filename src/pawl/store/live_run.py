"""The training under way as an MLflow run that grows, for whoever wants to watch.

The train stage leaves its steps in a file (`TaskFiles.points`); here that file is followed, in a
thread of the flow's process, and what it says is logged in batches. The run is a view and no
record: a cycle's own run carries the whole curve, and is what versions name. A store that is down
costs the view and nothing else, and what it missed it is told once it answers again.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
SHOWN = ("loss", "learning_rate", "grad_norm", "tokens_per_second", "memory_gib")


@contextmanager
def shown_live(workspace: Workspace, task: str) -> Iterator[None]:
    """Within this, the steps that a training of the task takes show in MLflow as they come.

    Nothing is raised for the store's sake: what it says goes to the log, once an outage.
    """
    over = threading.Event()
    # A daemon: a store that hangs may keep its thread, not the process.
    thread = threading.Thread(target=_follow, args=(workspace, task, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(PATIENCE)


def _follow(workspace: Workspace, task: str, over: threading.Event) -> None:
    """Tell the store what the file says until `over`, and then the rest."""
    path = workspace.files(task).points
    lines, down, ending = Lines(path), False, False
    run: LiveRun | None = None
    while not ending:
        ending = over.wait(EVERY)
        new = lines.read()
        try:
            if run and run.training != lines.training:
                # Another training began: that one will not go on.
                run.end("KILLED")
                run = None
            if new is not None and lines.training:
                run = run or LiveRun(open_store(workspace), workspace, task, lines.training)
                run.log(new)
            if run and (lines.end or ending):
                run.end(lines.end or "KILLED")
                run = None
            down = False
        except RegistryError as error:
            if not down:
                LOG.warning("the training cannot be watched in MLflow: %s", error.found)
            # What got through is asked anew, and the file read from its beginning.
            if run:
                run.rest()
            lines, run, down = Lines(path), None, True


class Lines:
    """A file of `pawl.train.points` that is followed.

    `training` is the id of the training that it is about, `end` how that one ended; None: not yet.
    """

    def __init__(self, path: Path) -> None:
        self.training: str | None = None
        self.end: str | None = None
        self._path, self._inode, self._offset = path, 0, 0

    def read(self) -> list[dict[str, Any]] | None:
        """The steps that are new; None where nothing is, not even an end."""
        if not self._path.is_file():
            return None
        with self._path.open("rb") as file:
            # A training that begins or goes on puts a new file in this place.
            if (inode := os.fstat(file.fileno()).st_ino) != self._inode:
                self.end, self._inode, self._offset = None, inode, 0
            file.seek(self._offset)
            data = file.read()
        # A line without its end is being written.
        data = data[: data.rfind(b"\n") + 1]
        self._offset += len(data)
        lines = [json.loads(line) for line in data.splitlines()]
        for line in lines:
            self.training = line.get("training", self.training)
            self.end = line.get("end", self.end)
        return [line for line in lines if "step" in line] if lines else None


class LiveRun:
    """A training's run in the store: a new one, or the one that it had when it was cut off."""

    def __init__(self, store: Store, workspace: Workspace, task: str, training: str) -> None:
        self.training, self._store = training, store
        self._shown, self._status = 0, "RUNNING"
        self._machine: Any = None
        op_id = f"training:{training}"
        found = find_run(store, task, op_id)
        if found is None:
            self._id = open_run(store, task, op_id=op_id, name=f"{task} training", tags={})
            params = {"train": as_json(workspace.task(task).train)}
            log_evidence(store, self._id, params=params, metrics={}, files={})
            return
        self._id, self._status = str(found.info.run_id), str(found.info.status)
        with store_errors(store.uri):
            history = store.client.get_metric_history(self._id, f"train/{SHOWN[0]}")
        self._shown = max((metric.step for metric in history), default=0)

    def log(self, steps: Sequence[dict[str, Any]]) -> None:
        """Show the steps that are not shown yet, each of them whole."""
        from mlflow.entities import Metric

        new = [step for step in steps if step["step"] > self._shown]
        if not new:
            return
        self._be("RUNNING")
        self._watch_machine()
        size = METRICS // len(SHOWN)
        for start in range(0, len(new), size):
            part = new[start : start + size]
            metrics = [
                Metric(f"train/{name}", step[name], step["at"], step["step"])
                for step in part
                for name in SHOWN
            ]
            with store_errors(self._store.uri):
                self._store.client.log_batch(self._id, metrics)
            self._shown = part[-1]["step"]

    def end(self, status: str) -> None:
        """Nothing more is to come, unless the training goes on one day."""
        self.rest()
        self._be(status)

    def rest(self) -> None:
        """Watch the machine no longer."""
        if self._machine is not None:
            self._machine.finish()
            self._machine = None

    def _be(self, status: str) -> None:
        if status == self._status:
            return
        with store_errors(self._store.uri):
            if status == "RUNNING":
                self._store.client.update_run(self._id, status)
            else:
                self._store.client.set_terminated(self._id, status)
        self._status = status

    def _watch_machine(self) -> None:
        """Have MLflow sample processor, memory, disk, network and GPU of this machine."""
        if self._machine is not None:
            return
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        monitor: Any = SystemMetricsMonitor
        with store_errors(self._store.uri):
            self._machine = monitor(
                self._id, SAMPLE, resume_logging=True, tracking_uri=self._store.uri
            )
        self._machine.start()
