"""The state that a task's ledger comes to, read from the store."""

from __future__ import annotations

from pawl.errors import RegistryError
from pawl.ledger.alias import doubts, read_alias
from pawl.ledger.entries import State, replay_entries
from pawl.ledger.ledger import entries
from pawl.store.client import Store


def undoubted_state(store: Store, task: str) -> State:
    """The ledger, folded, all of it read anew; an altered one is an error and no answer.

    Raises:
        RegistryError: the store cannot be reached, or the ledger was altered.
    """
    alias, written = read_alias(store, task), entries(store, task, whole=True)
    state = replay_entries(written)
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
    return replay_entries(entries(store, task))
