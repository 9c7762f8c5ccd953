"""`pawl gc`: find and free what is no longer needed. What a rollback needs is never listed.

Only what Pawl made is freed. Anything else in its folders is named, and left.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from pawl.config.schema import TASK_NAME, Params
from pawl.core.files import leftovers, remove
from pawl.core.records.commands import GcReport, GcRow
from pawl.core.records.io import read_value
from pawl.cycle.outbox import refused_orders
from pawl.errors import PawlError, UsageError
from pawl.ledger.entries import State
from pawl.ledger.state import undoubted_state
from pawl.release.local_copies import copies_folder
from pawl.release.retire import mark_retired
from pawl.store.client import Store, open_store
from pawl.store.runs import delete_files, size_of_files
from pawl.store.versions import ADAPTER
from pawl.workspace.lock import workspace_lock
from pawl.workspace.paths import TaskFiles, Workspace

# Large, and not ours to walk: MLflow's files, Prefect's home.
FOREIGN = ("artifacts", "prefect")
# Bytes of kept answers that stay: a contender's 500 rows take some 200 kB.
ANSWERS = 200_000_000
# Records that name their task.
NAMING = (
    "splits/manifest.json", "verdict.json", "cycle.json", "check/report.json", "adapter/pawl.json",
)  # fmt: skip


@dataclass(frozen=True)
class Reclaimable:
    """Something that can be freed: a local `path`, or else the adapter files of an MLflow run.

    `size` is in bytes, 0 where the store does not report it.
    """

    what: str
    size: int
    path: Path | None = None
    run: str | None = None


def gc(workspace: Workspace, *, yes: bool) -> GcReport:
    """Return what can be freed; with `yes`, free it. Raises as `find_reclaimable` and `free`."""
    with workspace_lock(workspace):
        store = open_store(workspace)
        found, left = find_reclaimable(workspace, store), find_foreign(workspace)
        if yes:
            free(store, found)
    rows = (GcRow(one.what, one.size, str(one.path or f"run {one.run}")) for one in found)
    return GcReport(yes, tuple(rows), tuple(map(str, left)))


def find_reclaimable(workspace: Workspace, store: Store) -> list[Reclaimable]:
    """All that can be freed in a workspace and, of its retired versions, in the store.

    Raises:
        RegistryError: the store cannot be reached, or a ledger was altered: what a rollback needs
            is not known then, and nothing is freed.
    """
    params = workspace.params()
    found: list[Reclaimable] = []
    for task in sorted({*params.tasks, *_former_tasks(workspace.home / "adapters")}):
        state = undoubted_state(store, task)
        found += _copies(workspace, task, state, keep=params.release.keep)
        found += _retired(store, task, state)
        refused = refused_orders(workspace, task)
        found += [_local("order that was refused", path) for path in refused]
    for build in _former_builds(workspace, params):
        foreign = _foreign_in(build)
        paths = _made_in(build) if foreign else [build]
        found += [_local("build of a task that is no more", path) for path in paths]
    found += [_local("kept answers", path) for path in _seldom_used(workspace.answers)]
    listed = [one.path for one in found if one.path]
    for path in _unfinished(workspace, params):
        if not any(path.is_relative_to(other) for other in listed):
            found.append(_local("left by a crash", path))
    return found


def find_foreign(workspace: Workspace) -> list[Path]:
    """What lies where `gc` looks and was not made by Pawl, as far as anything shows."""
    params, build = workspace.params(), workspace.root / "build"
    former = _former_builds(workspace, params)
    known = {*former, *(build / task for task in params.tasks)}
    here = sorted(build.iterdir()) if build.is_dir() else []
    foreign = [path for path in here if path not in known and path.name != ".gitignore"]
    for path in former:
        foreign += _foreign_in(path)
    copies = workspace.home / "adapters"
    for task in _folders(copies):
        if not TASK_NAME.fullmatch(task):
            foreign.append(copies / task)
            continue
        names = (name for name in _folders(copies / task) if not name.isdecimal())
        foreign += [copies / task / name for name in names]
    return foreign


def free(store: Store, reclaimable: Sequence[Reclaimable]) -> None:
    """Free it.

    Raises:
        RegistryError: the store is down or does not let files be deleted.
        UsageError: a file or folder cannot be deleted.
    """
    for one in reclaimable:
        if one.path is not None:
            _delete(one.path)
        if one.run is not None:
            delete_files(store, one.run, ADAPTER)


def _copies(workspace: Workspace, task: str, state: State, *, keep: int) -> Iterator[Reclaimable]:
    """Local copies of versions that are not among the champions a rollback may need."""
    needed = {str(champion.version) for champion in state.rollback_champions(keep)}
    folder = copies_folder(workspace, task)
    for name in _folders(folder):
        if name.isdecimal() and name not in needed:
            yield _local(f"local copy of {task} version {name}", folder / name)


def _retired(store: Store, task: str, state: State) -> Iterator[Reclaimable]:
    for entry in state.retired:
        version, run = int(entry.details["version"]), str(entry.details["run"])
        mark_retired(store, task, entry)
        if (size := size_of_files(store, run, ADAPTER)) is not None:
            yield Reclaimable(f"adapter of {task} version {version}, retired", size, run=run)


def _former_builds(workspace: Workspace, params: Params) -> list[Path]:
    """Folders of `build/` that a task filled which `params.yaml` no longer has.

    Shown by a record in it that names the task, or by DVC's record of the stages that it ran.
    """
    build, ran = workspace.root / "build", _stages_that_ran(workspace.root / "dvc.lock")
    return [
        build / name
        for name in _former_tasks(build)
        if name not in params.tasks and (name in ran or _names_task(build / name, name))
    ]


def _former_tasks(root: Path) -> list[str]:
    return [name for name in _folders(root) if TASK_NAME.fullmatch(name)]


def _stages_that_ran(lock: Path) -> set[str]:
    """The tasks of the stages in `dvc.lock`, such as `check@tickets`; empty if it is not there."""
    try:
        stages = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"]
        return {str(stage).partition("@")[2] for stage in stages}
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return set()


def _names_task(build: Path, task: str) -> bool:
    for name in NAMING:
        try:
            value = read_value(build / name)
        except PawlError:
            continue
        if isinstance(value, dict) and value.get("task") == task:
            return True
    return False


def _made_in(build: Path) -> list[Path]:
    made = {*TaskFiles(build).made, ".gitignore"}  # DVC's, for its outputs
    return sorted({path for path in build.iterdir() if path.name in made} | {*leftovers(build)})


def _foreign_in(build: Path) -> list[Path]:
    return sorted({*build.iterdir()} - {*_made_in(build)})


def _delete(path: Path) -> None:
    try:
        remove(path)
        there = path.exists()
    except OSError:
        there = True
    if there:
        raise UsageError(
            f"{path} cannot be deleted",
            rule="who frees space may write to the folder and to what lies in it",
            remedy="run it as the owner of the workspace, or delete it by hand",
        )


def _unfinished(workspace: Workspace, params: Params) -> Iterator[Path]:
    builds = [workspace.files(task).root for task in params.tasks]
    roots = [*builds, *_former_builds(workspace, params)]
    data = {(workspace.root / section.data).parent for section in params.tasks.values()}
    for place in sorted({workspace.root / "data", *data}):
        yield from leftovers(place)
    if workspace.home.is_dir():
        yield from leftovers(workspace.home)
        roots += [path for path in workspace.home.iterdir() if path.name not in FOREIGN]
    for root in roots:
        if root.is_dir() and not root.is_symlink():
            yield from leftovers(root)
            for folder in root.rglob("*"):
                # What lies in a leftover goes with it.
                if folder.is_dir() and not folder.is_symlink():
                    yield from leftovers(folder)


def _seldom_used(answers: Path) -> list[Path]:
    """The files of kept answers beyond `ANSWERS` bytes in all, the least recently used.

    A use sets a file's time (`pawl.evaluate.answer_cache`). The champion's are used by each gate.
    """
    stats = [(path, path.stat()) for path in answers.glob("*.jsonl")]
    newest = sorted(stats, key=lambda one: one[1].st_mtime_ns, reverse=True)
    totals = itertools.accumulate(stat.st_size for _, stat in newest)
    return [path for (path, _), total in zip(newest, totals, strict=True) if total > ANSWERS]


def _local(what: str, path: Path) -> Reclaimable:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return Reclaimable(what, sum(file.lstat().st_size for file in files), path=path)


def _folders(root: Path) -> list[str]:
    if not root.is_dir():
        return []
    folders = (path for path in root.iterdir() if path.is_dir() and not path.is_symlink())
    return sorted(path.name for path in folders if not path.name.startswith("."))
