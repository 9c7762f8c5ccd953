"""The champion and the held-out register as files that the stages read."""

from __future__ import annotations

import shutil
from pathlib import Path

from pawl.core.files import whole_folder, write_lines
from pawl.core.records import Champion, read_record, to_json, write_record
from pawl.errors import AdapterError, DataError
from pawl.ledger.alias import project
from pawl.ledger.entries import State
from pawl.ledger.held_out import held_out_rows
from pawl.ledger.state import undoubted_state
from pawl.model.adapter import read_adapter, refuse_links
from pawl.release.local_copies import released_copy
from pawl.store.client import Store
from pawl.workspace.dvc_file import refuse_missing_stage
from pawl.workspace.paths import Workspace

RECORD = "champion.json"
ADAPTER = "adapter"


def snapshot_champion(workspace: Workspace, store: Store, task: str) -> Champion:
    """Write the champion and its adapter to `build/<task>/champion/`; the alias is set right.

    A snapshot that is up to date is not written again, so that DVC sees no change.

    Raises:
        AdapterError: the champion's bytes are not those that were judged.
        RegistryError: the ledger was altered: nothing is judged against a doubtful champion.
    """
    state = undoubted_state(store, task)
    project(store, task)
    _snapshot(workspace, store, task, state, into=workspace.files(task).champion)
    return state.champion


def snapshot_ancestor(workspace: Workspace, store: Store, task: str) -> None:
    """Write the champion to `build/<task>/ancestor/` if the task's trainings begin with it.

    It is a snapshot of its own, so that a promotion alone is no reason to train again.

    Raises:
        ParamsError: `dvc.yaml` is of an earlier Pawl, whose stage `train` does not read it.
        AdapterError, RegistryError: as `snapshot_champion`.
    """
    start = workspace.task(task).train.start
    if start == "base":
        return
    refuse_missing_stage(workspace, "ancestor", f"`train.start: {start}`")
    state = undoubted_state(store, task)
    _snapshot(workspace, store, task, state, into=workspace.files(task).ancestor)


def _snapshot(workspace: Workspace, store: Store, task: str, state: State, *, into: Path) -> None:
    """Write the state's champion and its adapter to a folder, if it is not there yet."""
    champion = state.champion
    refuse_links(into)
    if _is_current(into, champion):
        return
    with whole_folder(into) as folder:
        write_record(folder / RECORD, champion)
        if champion.version is not None:
            copy = released_copy(workspace, store, champion, task=task, state=state)
            shutil.copytree(copy, folder / ADAPTER)


def _is_current(place: Path, champion: Champion) -> bool:
    """Whether the snapshot on disk is this champion's, byte for byte."""
    names = {RECORD} if champion.version is None else {RECORD, ADAPTER}
    if not place.is_dir() or {p.name for p in place.iterdir()} != names:
        return False
    try:
        same = read_record(place / RECORD, Champion) == champion
        if champion.version is None or not same:
            return same
        return read_adapter(place / ADAPTER).digest == champion.digest
    except (AdapterError, DataError):
        # Whatever is wrong with it, it is written again.
        return False


def snapshot_held_out(workspace: Workspace, store: Store, task: str) -> None:
    """Write the register of held-out rows to `build/<task>/known.jsonl`, for the split."""
    write_lines(workspace.files(task).held_out_register, map(to_json, held_out_rows(store, task)))
