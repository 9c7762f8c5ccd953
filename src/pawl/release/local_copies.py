"""Verified local copies of registered adapters, below `.pawl/adapters/`.

Making one raises `AdapterError` where its bytes are not those that were judged, `RegistryError`
where the store has another adapter under that number.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from pawl.core.records import Champion
from pawl.errors import AdapterError, DataError, RegistryError, UsageError
from pawl.ledger.entries import State
from pawl.ledger.state import undoubted_state
from pawl.model.adapter import read_adapter
from pawl.release.signing import check_release
from pawl.store.adapters import fetch_adapter
from pawl.store.client import Store
from pawl.store.versions import get
from pawl.workspace.paths import Workspace


def adapter_folder(
    workspace: Workspace, store: Store, task: str, version: int | None = None
) -> Path:
    """A verified local copy of one version's adapter, by default the champion's.

    Raises:
        UsageError: there is no such version, or no champion yet.
        RegistryError: the ledger was altered.
    """
    state = undoubted_state(store, task)
    wanted = state.champion if version is None else get(store, task, version).champion
    if version is not None and not any(entry.new == wanted for entry in state.releases):
        return local_copy(workspace, store, wanted, task=task)
    return released_copy(workspace, store, wanted, task=task, state=state)


def released_copy(
    workspace: Workspace, store: Store, champion: Champion, *, task: str, state: State
) -> Path:
    """A verified local copy of a released version, its signature checked (`AdapterError`)."""
    folder = local_copy(workspace, store, champion, task=task)
    check_release(workspace, store, task, champion, adapter=folder, state=state)
    return folder


def local_copy(workspace: Workspace, store: Store, champion: Champion, *, task: str) -> Path:
    """A verified copy of a version's adapter under `.pawl/adapters/`, downloaded if necessary."""
    if champion.version is None:
        raise UsageError(f"task '{task}' has no champion yet", remedy=f"run `pawl run {task}`")
    folder = copies_folder(workspace, task) / str(champion.version)
    if folder.is_dir() and _intact(folder, champion.digest):
        return folder
    manifest = fetch_adapter(store, task, champion.version, into=folder)
    if manifest.digest != champion.digest:
        raise RegistryError(
            f"version {champion.version} of '{task}' is adapter {manifest.digest[:12]}",
            rule=f"the ledger released {(champion.digest or 'none')[:12]} under that number",
            remedy="the registered model was deleted and made anew: restore the tracking store",
        )
    return folder


def copies_folder(workspace: Workspace, task: str) -> Path:
    """The folder of a task's local copies, which has a folder for each version."""
    return workspace.home / "adapters" / task


def ensure_local_copies(
    workspace: Workspace, store: Store, task: str, state: State
) -> tuple[str, ...]:
    """Make local copies of the champion and of the earlier ones that `release.keep` asks for.

    Returns a text for each that fails: a rollback to it will not work.
    """
    problems = []
    for champion in state.rollback_champions(workspace.params().release.keep):
        try:
            released_copy(workspace, store, champion, task=task, state=state)
        except (AdapterError, DataError, UsageError, RegistryError) as error:
            problems.append(f"no verified copy of version {champion.version}: {error.found}")
    return tuple(problems)


def stored_champion_problems(store: Store, task: str, state: State) -> tuple[str, ...]:
    """What is wrong with the champion's files in the tracking store; empty if they are sound."""
    champion = state.champion
    if champion.version is None:
        return ()
    with tempfile.TemporaryDirectory() as folder:
        try:
            stored = fetch_adapter(store, task, champion.version, into=Path(folder) / "adapter")
        except (AdapterError, DataError, UsageError, RegistryError) as error:
            return (f"champion version {champion.version} in the tracking store: {error.found}",)
    if stored.digest != champion.digest:
        return (
            f"version {champion.version} in the tracking store is adapter {stored.digest[:12]}; "
            f"the ledger released {(champion.digest or 'none')[:12]}: the model was deleted and "
            "made anew",
        )
    return ()


def _intact(folder: Path, digest: str | None) -> bool:
    try:
        return read_adapter(folder).digest == digest
    except (AdapterError, DataError):
        return False
