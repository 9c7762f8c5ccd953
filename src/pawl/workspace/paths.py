"""Where things lie: the workspace folder, one task's build files, the local servers' homes.

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
    """A workspace by its root folder; all paths below are derived, none is created here."""

    root: Path

    @property
    def params_file(self) -> Path:
        return self.root / "params.yaml"

    @property
    def home(self) -> Path:
        """Local state that is not reproducible from bytes: tracking store, Prefect's database."""
        return self.root / ".pawl"

    @property
    def answers(self) -> Path:
        """Kept answers of contenders; may be deleted at any time."""
        return self.home / "cache" / "answers"

    def checkpoints(self, task: str) -> Path:
        """What a training that was cut off goes on from; may be deleted at any time."""
        return self.home / "checkpoints" / task

    @property
    def outbox(self) -> Path:
        """Judged candidates that the tracking store does not have yet, a folder a task."""
        return self.home / "outbox"

    @property
    def tracking_uri(self) -> str:
        """`MLFLOW_TRACKING_URI` where it is set, else SQLite under `.pawl/`."""
        return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self.home}/mlflow.db"

    def params(self) -> Params:
        return read_params(self.params_file)

    def task(self, name: str) -> Task:
        return self.params().task(name)

    def checked_task(self, name: str) -> Task:
        """A section whose names stand in the workspace's files: what a cycle begins with."""
        return read_task(self.params_file, name)

    def files(self, task: str) -> TaskFiles:
        return TaskFiles(self.root / "build" / task)

    def inside(self, name: str) -> Path:
        """The path of a workspace file named in `params.yaml`.

        Raises:
            UsageError: it is absolute, leaves the workspace, also by a link, or is there and no
                regular file.
        """
        path = self.root / name
        try:
            place = path.resolve()
            path.is_file()
        except (OSError, ValueError, RuntimeError) as error:
            # A circle of links, a name too long, one with a zero byte or half a surrogate pair.
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
                f"'{name}' is no regular file",
                rule="files named in params.yaml are regular files: a pipe or a device has no end",
                remedy="put a copy in its place",
            )
        return path


@dataclass(frozen=True)
class TaskFiles:
    """The files of one task below `build/<task>/`, one property a stage's leaving."""

    root: Path

    @property
    def base(self) -> Path:
        """`inputs`: which base, by digest."""
        return self.root / "inputs" / "base.json"

    @property
    def schema(self) -> Path:
        """`inputs`: a copy of the task's JSON Schema, or `null`."""
        return self.root / "inputs" / "schema.json"

    @property
    def prompt(self) -> Path:
        """`inputs`: a copy of the task's long prompt; empty where there is none."""
        return self.root / "inputs" / "prompt.md"

    @property
    def scoring_inputs(self) -> Path:
        """`inputs`: the code that scores, scorers and other bases of the task's own, by digest."""
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
        """The flow's snapshot of the profile of the champion's data, where there is one."""
        return self.root / "before.json"

    @property
    def held_out_register(self) -> Path:
        """The flow's snapshot of the held-out rows that the ledger's store remembers."""
        return self.root / "known.jsonl"

    @property
    def splits(self) -> Path:
        return self.root / "splits"

    @property
    def preflight(self) -> Path:
        """How long the baselines' prompts are; no stage reads it."""
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
        """The steps of the training under way, or of the last one, as they come; no stage's out."""
        return self.root / "points.jsonl"

    @property
    def champion(self) -> Path:
        """The flow's snapshot of the champion: its adapter folder and `champion.json`."""
        return self.root / "champion"

    @property
    def look(self) -> Path:
        """The look that the flow reserved for this candidate."""
        return self.root / "look.json"

    @property
    def eval(self) -> Path:
        return self.root / "eval"

    @property
    def verdict(self) -> Path:
        return self.root / "verdict.json"

    @property
    def cycle(self) -> Path:
        """What the last cycle came to; no stage reads it."""
        return self.root / "cycle.json"


def find_workspace(start: Path | None = None) -> Workspace:
    """Return the workspace that `start` (default: the current folder) lies in.

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
