"""The champion as the stages see it: a snapshot on disk."""

from __future__ import annotations

import shutil

from pawl.adapter import read_adapter, refuse_links
from pawl.errors import AdapterError, DataError, RegistryError
from pawl.files import whole_folder
from pawl.records import Champion, read_record, write_record
from pawl.registry.alias import doubts, project, read_alias
from pawl.registry.copies import released_copy
from pawl.registry.ledger import State, entries, fold
from pawl.registry.store import Store
from pawl.workspace import TaskFiles, Workspace

RECORD = "champion.json"
ADAPTER = "adapter"


def snapshot_champion(workspace: Workspace, store: Store, task: str) -> Champion:
    """Leave the champion and its adapter in `build/<task>/champion/` and set the alias right.

    A snapshot that is right already stays as it is, so that DVC sees no change.

    Raises:
        AdapterError: the champion's bytes are not those that were judged.
        RegistryError: the store cannot be reached, or the ledger was altered: nothing is judged
            against a champion that is in doubt.
    """
    files = workspace.files(task)
    state = undoubted_state(store, task)
    champion = state.champion
    project(store, task)
    refuse_links(files.champion)
    if _stands(files, champion):
        return champion
    with whole_folder(files.champion) as folder:
        write_record(folder / RECORD, champion)
        if champion.version is not None:
            copy = released_copy(workspace, store, champion, task=task, state=state)
            shutil.copytree(copy, folder / ADAPTER)
    return champion


def undoubted_state(store: Store, task: str) -> State:
    """The ledger, folded, all of it read anew; an altered one is an error and no answer.

    Raises:
        RegistryError: the store cannot be reached, or the ledger was altered.
    """
    alias, written = read_alias(store, task), entries(store, task, whole=True)
    state = fold(written)
    if found := doubts(written, state, alias):
        raise RegistryError(
            "; ".join(found),
            rule=f"the champion of '{task}' is what its ledger comes to; an altered ledger may "
            "come to another one",
            remedy="restore the tracking store from its backup; or see `pawl history` and name the "
            f"champion yourself: `pawl adopt {task} VERSION --reason …`",
        )
    return state


def read_state(store: Store, task: str) -> State:
    """The ledger of a task, folded.

    Raises:
        RegistryError: the store cannot be reached, or the ledger was altered.
    """
    return fold(entries(store, task))


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
