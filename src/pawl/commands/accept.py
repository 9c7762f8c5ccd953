"""`pawl accept`: let the changed answers of held-out rows count, signed with who and why."""

from __future__ import annotations

from dataclasses import dataclass

from pawl.core.records import Relabel
from pawl.data.inputs import task_rows
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


def accept(workspace: Workspace, store: Store, task: str, *, who: str, why: str) -> AcceptedRelabel:
    """Record that the present data's changed answers of held-out rows count from now on.

    Raises:
        DataError: the data cannot be read.
        UsageError: it changes no answer, or no reason was given.
        RegistryError: the store cannot be reached.
    """
    section = workspace.task(task)
    rows = task_rows(workspace, section).examples
    refuse_missing_fields(rows, section.split)
    registered = held_out.held_out_rows(store, task)
    changes = find_relabels(assign_splits(rows, section.split), registered)
    entry = held_out.accept(store, task, changes, who=who, why=why)
    return AcceptedRelabel(entry, tuple(changes))
