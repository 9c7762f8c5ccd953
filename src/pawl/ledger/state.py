"""The state of a task's ledger, read from the store."""

from __future__ import annotations

from pawl.errors import RegistryError
from pawl.ledger.alias import read_alias
from pawl.ledger.entries import State, replay_entries
from pawl.ledger.ledger import entries
from pawl.ledger.manual_changes import ledger_problems
from pawl.store.client import Store


def undoubted_state(store: Store, task: str) -> State:
    """The state of a task's ledger, read whole; `RegistryError` where the ledger was altered."""
    alias, written = read_alias(store, task), entries(store, task, whole=True)
    state = replay_entries(written)
    if problems := ledger_problems(written, state, alias):
        raise RegistryError(
            "; ".join(problems),
            rule=f"the champion of '{task}' follows from its ledger; an altered ledger may lead to "
            "another one",
            remedy="restore the tracking store from its backup; or see `pawl history` and name the "
            f"champion yourself: `pawl adopt {task} VERSION --reason …`",
        )
    return state


def read_state(store: Store, task: str) -> State:
    """The state of a task's ledger."""
    return replay_entries(entries(store, task))
