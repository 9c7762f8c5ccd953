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
from pawl.workspace.pointers import is_linked_by_dvc


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
    def database(self) -> Path:
        """The tracking store's file, where no other store is named."""
        return self.home / "mlflow.db"

    @property
    def dvc_state(self) -> Path:
        """What DVC remembers between calls; may be deleted at any time."""
        return self.home / "dvc"

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
        return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self.database}"

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
            UsageError: it is absolute, leaves the workspace, also by a link (but one of DVC to its
                cache), or exists and is not a regular file.
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
        outside = not place.is_relative_to(self.root.resolve()) and not is_linked_by_dvc(path)
        if Path(name).is_absolute() or outside:
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


class TaskFiles:
    """The files of one task below `build/<task>/`, as its stages and the flow write them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        # Stage `inputs`: the base and its digest, copies of the task's JSON Schema (or `null`) and
        # long prompt (or nothing), digests of scoring code, own scorers and further bases.
        self.base = root / "inputs" / "base.json"
        self.schema = root / "inputs" / "schema.json"
        self.prompt = root / "inputs" / "prompt.md"
        self.scoring_inputs = root / "inputs" / "named.json"
        # The other stages. Of a training: its adapter, its loss curve and speed.
        self.check = root / "check"
        self.splits = root / "splits"
        self.adapter = root / "adapter"
        self.training = root / "training.json"
        self.eval = root / "eval"
        self.verdict = root / "verdict.json"
        # The flow's snapshots: the profile of the champion's data if there is a champion, the
        # register of held-out rows, the champion (adapter folder, `champion.json`), the look that
        # is reserved for this candidate.
        self.champion_profile = root / "before.json"
        self.held_out_register = root / "known.jsonl"
        self.champion = root / "champion"
        self.look = root / "look.json"
        # Read by no stage: a cleaned copy of the data (`pawl check --fix`), Great Expectations'
        # pages, the lengths of the baselines' prompts, the loss a step of the running or last
        # training (appended as it runs), the last cycle's result.
        self.fixed = root / "fixed"
        self.docs = root / "docs"
        self.preflight = root / "preflight.json"
        self.points = root / "points.jsonl"
        self.cycle = root / "cycle.json"

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
