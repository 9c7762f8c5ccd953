"""Verified local copies of registered adapters, below `.pawl/adapters/`."""

from __future__ import annotations

from pathlib import Path

from pawl.adapter import read_adapter
from pawl.errors import AdapterError, DataError, RegistryError, UsageError
from pawl.records import Champion
from pawl.registry.ledger import entries, fold
from pawl.registry.store import Store
from pawl.registry.versions import fetch, get
from pawl.workspace import Workspace


def adapter_folder(
    workspace: Workspace, store: Store, task: str, version: int | None = None
) -> Path:
    """A verified local copy of one version's adapter; of the champion's where none is named.

    Raises:
        UsageError: there is no such version, or no champion yet.
        AdapterError: its bytes are not those that were judged.
        RegistryError: the store cannot be reached.
    """
    if version is None:
        champion = fold(entries(store, task)).champion
        return local_copy(workspace, store, champion, task=task)
    return local_copy(workspace, store, get(store, task, version).champion, task=task)


def local_copy(workspace: Workspace, store: Store, champion: Champion, *, task: str) -> Path:
    """A verified copy of a version's adapter under `.pawl/adapters/`, downloaded if need be.

    Raises:
        AdapterError: its bytes are not those that were judged.
        RegistryError: the store cannot be reached, or has another adapter under that number.
    """
    if champion.version is None:
        raise UsageError(f"task '{task}' has no champion yet", remedy=f"run `pawl run {task}`")
    folder = workspace.home / "adapters" / task / str(champion.version)
    if folder.is_dir() and _intact(folder, champion.digest):
        return folder
    manifest = fetch(store, task, champion.version, into=folder)
    if manifest.digest != champion.digest:
        raise RegistryError(
            f"version {champion.version} of '{task}' is adapter {manifest.digest[:12]}",
            rule=f"the ledger released {(champion.digest or 'none')[:12]} under that number",
            remedy="the registered model was deleted and made anew: restore the tracking store",
        )
    return folder


def _intact(folder: Path, digest: str | None) -> bool:
    try:
        return read_adapter(folder).digest == digest
    except (AdapterError, DataError):
        return False
