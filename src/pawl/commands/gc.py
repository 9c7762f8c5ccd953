"""`pawl gc`: find and free what is no longer needed. What a rollback needs is never listed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pawl.core.files import leftovers, remove
from pawl.core.records.commands import GcReport, GcRow
from pawl.cycle.outbox import refused_orders
from pawl.ledger.entries import State
from pawl.ledger.state import undoubted_state
from pawl.release.local_copies import copies_folder
from pawl.release.retire import mark_retired
from pawl.store.client import Store, open_store
from pawl.store.runs import delete_files, size_of_files
from pawl.store.versions import ADAPTER
from pawl.workspace.lock import workspace_lock
from pawl.workspace.paths import Workspace

# Large, and not ours to walk: MLflow's files, Prefect's home.
FOREIGN = ("artifacts", "prefect")


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
        found = find_reclaimable(workspace, store)
        if yes:
            free(store, found)
    rows = (GcRow(one.what, one.size, str(one.path or f"run {one.run}")) for one in found)
    return GcReport(yes, tuple(rows))


def find_reclaimable(workspace: Workspace, store: Store) -> list[Reclaimable]:
    """All that can be freed in a workspace and, of its retired versions, in the store.

    Raises:
        RegistryError: the store cannot be reached, or a ledger was altered: what a rollback needs
            is not known then, and nothing is freed.
    """
    params = workspace.params()
    found: list[Reclaimable] = []
    for task in sorted({*params.tasks, *_folders(workspace.home / "adapters")}):
        state = undoubted_state(store, task)
        found += _copies(workspace, task, state, keep=params.release.keep)
        found += _retired(store, task, state)
        refused = refused_orders(workspace, task)
        found += [_local("order that was refused", path) for path in refused]
    for task in _folders(workspace.root / "build"):
        if task not in params.tasks:
            path = workspace.root / "build" / task
            found.append(_local("build of a task that is no more", path))
    if workspace.answers.is_dir():
        found.append(_local("kept answers", workspace.answers))
    listed = [one.path for one in found if one.path]
    for path in _unfinished(workspace):
        if not any(path.is_relative_to(other) for other in listed):
            found.append(_local("left by a crash", path))
    return found


def free(store: Store, reclaimable: Sequence[Reclaimable]) -> None:
    """Free it; raises `RegistryError` if the store is down or does not let files be deleted."""
    for one in reclaimable:
        if one.path is not None:
            remove(one.path)
        if one.run is not None:
            delete_files(store, one.run, ADAPTER)


def _copies(workspace: Workspace, task: str, state: State, *, keep: int) -> Iterator[Reclaimable]:
    """Local copies of versions that are not among the champions a rollback may need."""
    needed = {str(champion.version) for champion in state.rollback_champions(keep)}
    folder = copies_folder(workspace, task)
    for name in _folders(folder):
        if name not in needed:
            yield _local(f"local copy of {task} version {name}", folder / name)


def _retired(store: Store, task: str, state: State) -> Iterator[Reclaimable]:
    for entry in state.retired:
        version, run = int(entry.details["version"]), str(entry.details["run"])
        mark_retired(store, task, entry)
        if (size := size_of_files(store, run, ADAPTER)) is not None:
            yield Reclaimable(f"adapter of {task} version {version}, retired", size, run=run)


def _unfinished(workspace: Workspace) -> Iterator[Path]:
    roots = [workspace.root / "build", workspace.root / "data"]
    if workspace.home.is_dir():
        yield from leftovers(workspace.home)
        roots += [path for path in workspace.home.iterdir() if path.name not in FOREIGN]
    for root in roots:
        if root.is_dir():
            yield from leftovers(root)
            for folder in root.rglob("*"):
                # What lies in a leftover goes with it.
                if folder.is_dir() and not folder.is_symlink():
                    yield from leftovers(folder)


def _local(what: str, path: Path) -> Reclaimable:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return Reclaimable(what, sum(file.lstat().st_size for file in files), path=path)


def _folders(root: Path) -> list[str]:
    if not root.is_dir():
        return []
    return sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
