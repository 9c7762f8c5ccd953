"""`pawl accept`: the changed answers of held-out rows count from now on, with who and why."""

from __future__ import annotations

from pawl.core.records import Relabel
from pawl.data.inputs import task_rows
from pawl.data.split.pinned import relabelled
from pawl.data.split.split import deal, refuse_missing
from pawl.ledger.entries import Entry
from pawl.ledger.held_out import accept as write
from pawl.ledger.held_out import held_out_rows
from pawl.store.client import Store
from pawl.workspace.paths import Workspace


def accept(
    workspace: Workspace, store: Store, task: str, *, who: str, why: str
) -> tuple[Entry, tuple[Relabel, ...]]:
    """Write a relabel for what the task's present data changes of its known rows.

    Returns:
        The ledger entry, and each changed row with its old and new answers.

    Raises:
        DataError: the data cannot be read.
        UsageError: it changes nothing, or no reason was given.
        RegistryError: the store cannot be reached.
    """
    section = workspace.task(task)
    rows = task_rows(workspace, section).examples
    refuse_missing(rows, section.split)
    changes = relabelled(deal(rows, section.split), held_out_rows(store, task))
    return write(store, task, changes, who=who, why=why), changes
