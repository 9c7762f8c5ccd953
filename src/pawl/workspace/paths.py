"""Paths of a workspace: its folder, one task's build files, the local state under `.pawl/`.

A workspace is a git repository with `params.yaml`, `dvc.yaml` and `prefect.yaml`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from pawl.config.load import read_params, read_task
from pawl.config.schema import Params, Task
from pawl.core.private_places import private_place
from pawl.errors import UsageError
from pawl.workspace.pointers import is_linked_by_dvc

# `sqlite:///a.db`; an absolute file has four slashes. `:memory:` and `file:` are SQLite's own.
RELATIVE_SQLITE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!:memory:|file:)([^/?][^?]*)(\?.*|)")


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

    def durations(self, task: str) -> Path:
        """How long the steps of the last cycles took here; may be deleted at any time."""
        return self.home / "cache" / "durations" / f"{task}.json"

    def checkpoints(self, task: str) -> Path:
        """Checkpoints that an interrupted training resumes from; may be deleted at any time."""
        return self.home / "checkpoints" / task

    @property
    def outbox(self) -> Path:
        """Judged candidates that are not in the tracking store yet, a folder a task."""
        return self.home / "outbox"

    def published(self, task: str) -> Path:
        """What was published of a task and proved, a line a publication, the last one last."""
        return self.home / "published" / f"{task}.jsonl"

    def review(self, task: str, question: str) -> Path:
        """What people said of the pairs of a look, by the look's question."""
        return self.home / "reviews" / task / f"{question[:32]}.jsonl"

    @property
    def tracking_uri(self) -> str:
        """`MLFLOW_TRACKING_URI` if it is set, else SQLite under `.pawl/`.

        A relative SQLite file is below the workspace: MLflow would take it from the folder that a
        command runs in, which would be another ledger in each.
        """
        uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self.database}"
        if (relative := RELATIVE_SQLITE.fullmatch(uri)) is None:
            return uri
        scheme, file, options = relative.groups()
        return f"{scheme}{self.root.resolve() / file}{options}"

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
                cache), leads to a key or to state of Pawl, git or DVC, or exists and is not a
                regular file.
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
        by_dvc = is_linked_by_dvc(path)
        outside = not place.is_relative_to(self.root.resolve()) and not by_dvc
        if Path(name).is_absolute() or outside:
            raise UsageError(
                f"the path '{name}' leaves the workspace",
                rule="files named in params.yaml are relative to it and stay inside",
                remedy="copy the file into the workspace (data/) and name it there",
            )
        if not by_dvc and (private := private_place(path, self.root)):
            raise UsageError(
                f"the path '{name}' leads to {private}",
                rule="what params.yaml names is copied and sent on: never keys, or state of Pawl, "
                "git or DVC",
                remedy="name another file, below data/",
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
        # Beside a judged candidate that waits: what people said of pairs of answers. No stage's.
        self.review = root / "review.jsonl"
        # For DVC's own commands: the loss a step; a few numbers of training and dev split.
        self.curve = root / "curve.json"
        self.metrics = root / "metrics.json"
        # The flow's snapshots: the profile of the champion's data if there is a champion, the
        # register of held-out rows, the champion (adapter folder, `champion.json`), the same as of
        # before the training if it begins with that, the look that is reserved for this candidate.
        self.champion_profile = root / "before.json"
        self.ancestor = root / "ancestor"
        self.held_out_register = root / "known.jsonl"
        self.champion = root / "champion"
        self.look = root / "look.json"
        # Read by no stage: a cleaned copy of the data (`pawl check --fix`), Great Expectations'
        # pages, the lengths of the baselines' prompts, the loss a step of the running or last
        # training (appended as it runs), the last cycle's result, and that as a page;
        # the trends as a page.
        self.fixed = root / "fixed"
        self.docs = root / "docs"
        self.preflight = root / "preflight.json"
        self.points = root / "points.jsonl"
        self.cycle = root / "cycle.json"
        self.page = root / "verdict.html"
        self.trends = root / "report.html"
        # The error of a stage that failed.
        self.error = root / "error.json"

    @property
    def made(self) -> frozenset[str]:
        """Names of all files and folders that Pawl makes directly below `root`."""
        paths = (path for path in vars(self).values() if path != self.root)
        return frozenset(path.relative_to(self.root).parts[0] for path in paths)

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
            self.review: "",
            self.training: "",
            self.held_out_register: "",
        }


def has_workspace() -> bool:
    """Whether the current folder is in a workspace."""
    here = Path.cwd().resolve()
    return any((folder / "params.yaml").is_file() for folder in (here, *here.parents))


def find_workspace(start: Path | None = None) -> Workspace:
    """Return the workspace that contains `start` (default: the current folder).

    Raises:
        UsageError: no folder upwards holds a `params.yaml`, or its path has a question mark.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "params.yaml").is_file():
            refuse_question_mark(folder)
            return Workspace(folder)
    raise UsageError(
        f"no workspace at {here}",
        rule="a workspace is a git repository with params.yaml, dvc.yaml and prefect.yaml",
        remedy="change into one, name one with `pawl -C DIR …`, or make one with `pawl init DIR`",
    )


def refuse_question_mark(folder: Path) -> None:
    """Refuse a workspace whose path has a `?`; raises `UsageError`.

    In the address of a SQLite file it begins the options: MLflow and Prefect would make their
    databases at the path before it, outside the workspace.
    """
    if "?" in str(folder):
        raise UsageError(
            f"the path of the workspace has a question mark: {folder}",
            rule="the databases' addresses hold the path, and a `?` ends it there: they would be "
            f"{str(folder).partition('?')[0]}",
            remedy="rename the folder, or move the workspace to another",
        )
