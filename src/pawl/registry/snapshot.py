"""The champion as the world sees it: its snapshot for the stages, its alias for the servers."""

from __future__ import annotations

import shutil

from pawl.adapter import read_adapter
from pawl.errors import AdapterError, DataError
from pawl.files import whole_folder
from pawl.records import Champion, read_record, write_record
from pawl.registry.copies import local_copy
from pawl.registry.ledger import State, entries, fold
from pawl.registry.store import Store, get_alias, set_alias
from pawl.workspace import TaskFiles, Workspace

RECORD = "champion.json"
ADAPTER = "adapter"


def snapshot_champion(workspace: Workspace, store: Store, task: str) -> Champion:
    """Leave the champion and its adapter in `build/<task>/champion/` and repair the alias.

    A snapshot that is right already stays as it is, so that DVC sees no change.

    Raises:
        AdapterError: the champion's bytes are not those that were judged.
        RegistryError: the store cannot be reached.
    """
    files = workspace.files(task)
    champion = read_state(store, task).champion
    repair_alias(store, task, champion)
    if _stands(files, champion):
        return champion
    with whole_folder(files.champion) as folder:
        write_record(folder / RECORD, champion)
        if champion.version is not None:
            shutil.copytree(local_copy(workspace, store, champion, task=task), folder / ADAPTER)
    return champion


def read_state(store: Store, task: str) -> State:
    """The ledger of a task, folded.

    Raises:
        RegistryError: the store cannot be reached, or the ledger was altered.
    """
    return fold(entries(store, task))


def repair_alias(store: Store, task: str, champion: Champion) -> str | None:
    """Make the alias say what the ledger says; the note of what it said, None if that was right.

    Raises:
        RegistryError: the store cannot be reached.
    """
    said = get_alias(store, task)
    if said == champion.version:
        return None
    set_alias(store, task, champion.version)
    was, now = (f"version {v}" if v is not None else "nothing" for v in (said, champion.version))
    return f"the alias `champion` pointed at {was}; the ledger says {now}, so it was set back"


def _stands(files: TaskFiles, champion: Champion) -> bool:
    """Whether the snapshot on disk is this champion's, to the byte."""
    names = {RECORD} if champion.version is None else {RECORD, ADAPTER}
    if not files.champion.is_dir() or {p.name for p in files.champion.iterdir()} != names:
        return False
    try:
        if read_record(files.champion / RECORD, Champion) != champion:
            return False
        if champion.version is None:
            return True
        return read_adapter(files.champion / ADAPTER).digest == champion.digest
    except (AdapterError, DataError):
        # Whatever is wrong with it, the answer is the same: it is written anew.
        return False
