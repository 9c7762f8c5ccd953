"""The champion and the held-out register as files that the stages read."""

from __future__ import annotations

import shutil

from pawl.core.files import whole_folder, write_lines
from pawl.core.records import Champion, read_record, to_json, write_record
from pawl.errors import AdapterError, DataError
from pawl.ledger.alias import project
from pawl.ledger.held_out import held_out_rows
from pawl.ledger.state import undoubted_state
from pawl.model.adapter import read_adapter, refuse_links
from pawl.release.local_copies import released_copy
from pawl.store.client import Store
from pawl.workspace.paths import TaskFiles, Workspace

RECORD = "champion.json"
ADAPTER = "adapter"


def snapshot_champion(workspace: Workspace, store: Store, task: str) -> Champion:
    """Write the champion and its adapter to `build/<task>/champion/`; the alias is set right.

    A snapshot that is up to date is not written again, so that DVC sees no change.

    Raises:
        AdapterError: the champion's bytes are not those that were judged.
        RegistryError: the ledger was altered: nothing is judged against a doubtful champion.
    """
    files = workspace.files(task)
    state = undoubted_state(store, task)
    champion = state.champion
    project(store, task)
    refuse_links(files.champion)
    if _is_current(files, champion):
        return champion
    with whole_folder(files.champion) as folder:
        write_record(folder / RECORD, champion)
        if champion.version is not None:
            copy = released_copy(workspace, store, champion, task=task, state=state)
            shutil.copytree(copy, folder / ADAPTER)
    return champion


def _is_current(files: TaskFiles, champion: Champion) -> bool:
    """Whether the snapshot on disk is this champion's, byte for byte."""
    names = {RECORD} if champion.version is None else {RECORD, ADAPTER}
    if not files.champion.is_dir() or {p.name for p in files.champion.iterdir()} != names:
        return False
    try:
        same = read_record(files.champion / RECORD, Champion) == champion
        if champion.version is None or not same:
            return same
        return read_adapter(files.champion / ADAPTER).digest == champion.digest
    except (AdapterError, DataError):
        # Whatever is wrong with it, it is written again.
        return False


def snapshot_held_out(workspace: Workspace, store: Store, task: str) -> None:
    """Write the register of held-out rows to `build/<task>/known.jsonl`, for the split."""
    write_lines(workspace.files(task).held_out_register, map(to_json, held_out_rows(store, task)))
