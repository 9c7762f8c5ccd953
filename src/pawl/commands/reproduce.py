"""`pawl reproduce`: train a version again from its commit, in a clean worktree, and compare.

Of this checkout only DVC's cache of the data is used. Gate rows are not scored: that takes a look,
and `pawl replay` derives the verdict from the scores of the one that was paid for.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pawl.core.files import whole_folder
from pawl.core.processes import run
from pawl.core.records import Champion, EvalReport, Training, read_record, write_record
from pawl.errors import UsageError
from pawl.model.adapter import read_adapter
from pawl.store.adapters import fetch_adapter
from pawl.store.artifacts import download
from pawl.store.client import Store
from pawl.store.versions import get
from pawl.workspace.dvc_calls import cache_folder, run_dvc
from pawl.workspace.paths import TaskFiles, Workspace
from pawl.workspace.stages import reproduce as repro

# The candidate's scores on the dev split in a verdict, and the metrics that are wall times.
DEV, TIMES = "candidate (dev)", {"seconds"}
RULE = "code, parameters and data of the version's commit are fetched with git and DVC"
REMEDY = "`git fetch` and `dvc pull --all-commits` bring what is missing here"


@dataclass(frozen=True)
class ReproduceResult:
    """The registered and the reproduced adapter by digest, the latter's dev `scores`."""

    task: str
    version: int
    commit: str
    registered: str
    reproduced: str
    scores: dict[str, float]
    differs: tuple[str, ...]
    same: bool


def reproduce(workspace: Workspace, store: Store, task: str, version: int) -> ReproduceResult:
    """Train a version again and compare it with the registered one.

    Raises:
        UsageError: the version's commit is unknown, or it was trained on uncommitted changes.
        PawlError: a stage failed.
    """
    registered = get(store, task, version)
    commit = registered.commit
    if not commit or commit.endswith("-dirty"):
        raise UsageError(
            f"version {version} was trained on {commit or 'no git commit'}",
            rule="only what is committed can be fetched again",
            remedy="commit params.yaml and the .dvc files before `pawl run`",
        )
    with _worktree(workspace, commit) as clean:
        # The held-out register that the split used then; an older version's run has no such file.
        files = clean.files(task)
        files.root.mkdir(parents=True, exist_ok=True)
        download(store, registered.run_id, files.held_out_register.name, files.root)
        _bring_ancestor(store, task, registered.run_id, files)
        repro(clean, "evaluate", task, force=True)
        again = read_adapter(files.adapter).digest
        scores = _dev_scores(files)
    before = registered.scores.get(DEV, {})
    differs = [
        f"{metric}: {before.get(metric)} then, {scores.get(metric)} now"
        for metric in sorted((before.keys() | scores.keys()) - TIMES)
        if before.get(metric) != scores.get(metric)
    ]
    if registered.digest != again:
        differs.insert(0, f"adapter: {registered.digest[:12]} then, {again[:12]} now")
    return ReproduceResult(
        task=task,
        version=version,
        commit=commit,
        registered=registered.digest,
        reproduced=again,
        scores=scores,
        differs=tuple(differs),
        same=not differs,
    )


def _bring_ancestor(store: Store, task: str, run: str, files: TaskFiles) -> None:
    """Leave the champion that the version's training began with, if it did, as the flow had."""
    if download(store, run, files.training.name, files.root) is None:
        return
    for trial in read_record(files.training, Training).starts:
        if trial.version is not None:
            with whole_folder(files.ancestor) as folder:
                fetch_adapter(store, task, trial.version, into=folder / "adapter")
                write_record(folder / "champion.json", Champion(trial.version, trial.digest))


def _dev_scores(files: TaskFiles) -> dict[str, float]:
    report = read_record(files.eval / "report.json", EvalReport)
    (candidate,) = (c for c in report.contenders if (c.name, c.split) == ("candidate", "dev"))
    return candidate.scores


@contextmanager
def _worktree(workspace: Workspace, commit: str) -> Iterator[Workspace]:
    """A checkout of `commit` with its data, removed in the end."""
    folder = Path(tempfile.mkdtemp(prefix="pawl-reproduce-"))
    clean = folder / "workspace"
    before = os.environ.get("PYTHONPATH")
    try:
        add = ("git", "worktree", "add", "--quiet", "--detach", str(clean), commit)
        run(workspace.root, *add, rule=RULE, remedy=REMEDY)
        # By a link, for DVC can write no path with other than ASCII into its configuration.
        (clean / ".dvc" / "cache").symlink_to(cache_folder(workspace))
        run_dvc(
            Workspace(clean),
            "config",
            "--local",
            "cache.dir",
            ".dvc/cache",
            rule=RULE,
            remedy=REMEDY,
        )
        tracked = [str(p.relative_to(clean)) for p in clean.rglob("*.dvc") if p.is_file()]
        run_dvc(Workspace(clean), "checkout", "--quiet", *tracked, rule=RULE, remedy=REMEDY)
        if (clean / "src" / "pawl").is_dir():
            # A checkout of Pawl itself: that commit's code, not the installed one.
            os.environ["PYTHONPATH"] = str(clean / "src")
        yield Workspace(clean)
    finally:
        os.environ.pop("PYTHONPATH", None)
        if before is not None:
            os.environ["PYTHONPATH"] = before
        shutil.rmtree(folder, ignore_errors=True)
        run(workspace.root, "git", "worktree", "prune", rule=RULE, remedy=REMEDY)
