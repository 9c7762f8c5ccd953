"""Paths of a workspace: its folder, one task's build files, the local state under `.pawl/`.

A workspace is a git repository with `params.yaml`, `dvc.yaml` and `prefect.yaml`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pawl.config.load import read_params, read_task
from pawl.config.schema import Params, Task
from pawl.errors import UsageError


@dataclass(frozen=True)
class Workspace:
    """A workspace by its root folder; its paths are derived from it, none is created here."""

    root: Path

    @property
    def params_file(self) -> Path:
        return self.root / "params.yaml"

    @property
    def home(self) -> Path:
        """Local state that DVC cannot reproduce: tracking store, Prefect's database."""
        return self.root / ".pawl"

    @property
    def answers(self) -> Path:
        """Cached answers of contenders; may be deleted at any time."""
        return self.home / "cache" / "answers"

    def checkpoints(self, task: str) -> Path:
        """Checkpoints that an interrupted training resumes from; may be deleted at any time."""
        return self.home / "checkpoints" / task

    @property
    def outbox(self) -> Path:
        """Judged candidates that are not in the tracking store yet, a folder a task."""
        return self.home / "outbox"

    @property
    def tracking_uri(self) -> str:
        """`MLFLOW_TRACKING_URI` if it is set, else SQLite under `.pawl/`."""
        return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self.home}/mlflow.db"

    def params(self) -> Params:
        return read_params(self.params_file)

    def task(self, name: str) -> Task:
        return self.params().task(name)

    def checked_task(self, name: str) -> Task:
        """A task's section, checked against the files that it names: how a cycle begins."""
        return read_task(self.params_file, name)

    def files(self, task: str) -> TaskFiles:
        return TaskFiles(self.root / "build" / task)

    def inside(self, name: str) -> Path:
        """The path of a workspace file named in `params.yaml`.

        Raises:
            UsageError: it is absolute, leaves the workspace, also by a link, or exists and is not
                a regular file.
        """
        path = self.root / name
        try:
            place = path.resolve()
            path.is_file()
        except (OSError, ValueError, RuntimeError) as error:
            # A loop of links, a name too long, one with a NUL or half a surrogate pair.
            raise UsageError(
                f"{name[:100]!a} cannot be the path of a file: {type(error).__name__}",
                rule="files named in params.yaml are relative to it and stay inside",
                remedy="give the file a plain name below data/",
            ) from error
        if Path(name).is_absolute() or not place.is_relative_to(self.root.resolve()):
            raise UsageError(
                f"the path '{name}' leaves the workspace",
                rule="files named in params.yaml are relative to it and stay inside",
                remedy="copy the file into the workspace (data/) and name it there",
            )
        if path.exists() and not path.is_file():
            raise UsageError(
                f"'{name}' is not a regular file",
                rule="files named in params.yaml are regular files: a pipe or a device has no end",
                remedy="put a copy in its place",
            )
        return path


@dataclass(frozen=True)
class TaskFiles:
    """The files of one task below `build/<task>/`, as its stages and the flow write them."""

    root: Path

    @property
    def base(self) -> Path:
        """Stage `inputs`: the base and its digest."""
        return self.root / "inputs" / "base.json"

    @property
    def schema(self) -> Path:
        """Stage `inputs`: a copy of the task's JSON Schema, or `null`."""
        return self.root / "inputs" / "schema.json"

    @property
    def prompt(self) -> Path:
        """Stage `inputs`: a copy of the task's long prompt; empty if it has none."""
        return self.root / "inputs" / "prompt.md"

    @property
    def scoring_inputs(self) -> Path:
        """Stage `inputs`: digests of scoring code, own scorers and further bases."""
        return self.root / "inputs" / "named.json"

    @property
    def check(self) -> Path:
        return self.root / "check"

    @property
    def fixed(self) -> Path:
        """A proposed cleaned copy of the data, `pawl check --fix`; no stage reads it."""
        return self.root / "fixed"

    @property
    def docs(self) -> Path:
        """Great Expectations' pages about the last check; no stage reads them."""
        return self.root / "docs"

    @property
    def champion_profile(self) -> Path:
        """The flow's snapshot of the profile of the champion's data, if there is a champion."""
        return self.root / "before.json"

    @property
    def held_out_register(self) -> Path:
        """The flow's snapshot of the ledger's register of held-out rows."""
        return self.root / "known.jsonl"

    @property
    def splits(self) -> Path:
        return self.root / "splits"

    @property
    def preflight(self) -> Path:
        """The lengths of the baselines' prompts; no stage reads it."""
        return self.root / "preflight.json"

    @property
    def adapter(self) -> Path:
        return self.root / "adapter"

    @property
    def training(self) -> Path:
        """Loss curve and speed of the last training."""
        return self.root / "training.json"

    @property
    def points(self) -> Path:
        """Loss a step of the running or last training, appended as it runs; no stage's output."""
        return self.root / "points.jsonl"

    @property
    def champion(self) -> Path:
        """The flow's snapshot of the champion: its adapter folder and `champion.json`."""
        return self.root / "champion"

    @property
    def look(self) -> Path:
        """The look that the flow has reserved for this candidate."""
        return self.root / "look.json"

    @property
    def eval(self) -> Path:
        return self.root / "eval"

    @property
    def verdict(self) -> Path:
        return self.root / "verdict.json"

    @property
    def evidence(self) -> dict[Path, str]:
        """What is stored with a judged candidate: each file or folder, by its folder in the run.

        '' is the root of the MLflow run. What is not there is left out.
        """
        return {
            self.adapter: "adapter",
            self.check: "check",
            self.base: "inputs",
            self.splits / "manifest.json": "splits",
            self.eval: "eval",
            self.verdict: "",
            self.training: "",
            self.held_out_register: "",
        }

    @property
    def cycle(self) -> Path:
        """The last cycle's result; no stage reads it."""
        return self.root / "cycle.json"


def find_workspace(start: Path | None = None) -> Workspace:
    """Return the workspace that contains `start` (default: the current folder).

    Raises:
        UsageError: no folder upwards holds a `params.yaml`.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "params.yaml").is_file():
            return Workspace(folder)
    raise UsageError(
        f"no workspace at {here}",
        rule="a workspace is a git repository with params.yaml, dvc.yaml and prefect.yaml",
        remedy="change into one, name one with `pawl -C DIR …`, or make one with `pawl init DIR`",
    )
