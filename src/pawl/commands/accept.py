"""`pawl accept`: let changed answers of held-out rows count, or rows that are gone go; signed."""

from __future__ import annotations

from dataclasses import dataclass

from pawl.core.alpha_budget import gate_split_id
from pawl.core.records import Example, HeldOutRow, Relabel
from pawl.data.inputs import task_rows
from pawl.data.split.goalposts import missing_goalposts
from pawl.data.split.held_out_answers import find_relabels
from pawl.data.split.split import assign_splits, refuse_missing_fields
from pawl.ledger import held_out
from pawl.ledger.entries import Entry
from pawl.store.client import Store
from pawl.workspace.paths import Workspace


@dataclass(frozen=True)
class AcceptedRelabel:
    """The ledger entry of a relabel, and each changed row with its old and new answers."""

    entry: Entry
    changes: tuple[Relabel, ...]


@dataclass(frozen=True)
class AcceptedRemoval:
    """The ledger entry of a removal, and the gate rows that judge no longer."""

    entry: Entry
    removed: tuple[HeldOutRow, ...]


def accept(workspace: Workspace, store: Store, task: str, *, who: str, why: str) -> AcceptedRelabel:
    """Record that the present data's changed answers of held-out rows count from now on.

    Raises:
        DataError: the data cannot be read.
        UsageError: it changes no answer, or no reason was given.
        RegistryError: the store cannot be reached.
    """
    registered = held_out.held_out_rows(store, task)
    pinned = [row for row in registered if row.standing in ("", "pending")]
    changes = find_relabels(_parts(workspace, task), pinned)
    entry = held_out.accept(store, task, changes, who=who, why=why)
    return AcceptedRelabel(entry, tuple(changes))


def let_go(workspace: Workspace, store: Store, task: str, *, who: str, why: str) -> AcceptedRemoval:
    """Record that gate rows which the present data no longer holds judge no longer.

    Raises:
        DataError: the data cannot be read.
        UsageError: it holds them all, or no reason was given.
        RegistryError: the store cannot be reached.
    """
    split_id = gate_split_id(task, workspace.task(task).split.salt)
    registered = held_out.held_out_rows(store, task)
    gone = missing_goalposts(_parts(workspace, task), registered, gate_split_id=split_id)
    entry = held_out.let_go(store, task, gone, who=who, why=why)
    return AcceptedRemoval(entry, tuple(gone))


def _parts(workspace: Workspace, task: str) -> dict[str, list[Example]]:
    section = workspace.task(task)
    rows = task_rows(workspace, section).examples
    refuse_missing_fields(rows, section.split)
    return assign_splits(rows, section.split)
