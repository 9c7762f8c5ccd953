"""What a task goes on from: the looks and held-out rows of another one.

A task's looks, its alpha and the rows that it was judged on hang on its name. With `--continues`
`pawl new` begins the new name's ledger with an entry that names the old one and its last entry, by
number and digest. What that ledger says up to there goes before what the new one says.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from pawl.core.records import Champion
from pawl.errors import RegistryError, UsageError
from pawl.ledger.entries import Entry, State, replay_entries
from pawl.ledger.ledger import append, counting_entries, entries
from pawl.store.client import Store


def carried_state(
    store: Store, task: str, counting: Sequence[Entry], *, before: int = 0
) -> State | None:
    """The state that the task's ledger goes on from, None where it begins anew.

    Its gate splits have the new task's name, and its entries numbers below `before`.

    Raises:
        RegistryError: the ledger it names no longer has that entry.
    """
    first = counting[0] if counting else None
    if first is None or first.kind != "continue":
        return None
    of, last = str(first.details["task"]), int(first.details["entry"])
    written = [entry for entry in counting_entries(store, of) if entry.number <= last]
    if not written or written[-1].digest != first.details["digest"]:
        raise RegistryError(
            f"the ledger of '{of}' no longer has its entry {last} as '{task}' found it",
            rule=f"the looks and held-out rows of '{of}' count for '{task}'",
            remedy="restore the tracking store from its backup (`pawl restore`)",
        )
    earlier = carried_state(store, of, written, before=before - last)
    moved = [_moved(entry, of, task, entry.number - last - 1 + before) for entry in written]
    return replay_entries(moved, earlier and _renamed(earlier, of, task))


def carry_over(store: Store, task: str, of: str, *, who: str) -> Entry:
    """Begin the ledger of `task` where that of `of` stands.

    Raises:
        UsageError: `of` has not been judged yet, or `task` has a record of its own.
    """
    written = counting_entries(store, of)
    if not any(entry.kind in ("look", "continue") for entry in written):
        raise UsageError(
            f"'{of}' has not been judged yet",
            rule="a task goes on from one whose adapters were judged in this store",
            remedy="leave out `--continues`: there is nothing to carry over",
        )
    last = written[-1]
    op_id = f"continue:{of}:{last.number}"
    if any(entry.op_id != op_id for entry in entries(store, task)):
        raise UsageError(
            f"'{task}' has a record in this store already",
            rule="a record goes on from another one before its first entry",
            remedy="choose another name for the task",
        )
    return append(
        store,
        task,
        kind="continue",
        expected=Champion(),
        who=who,
        why=f"goes on from '{of}'",
        op_id=op_id,
        details={"task": of, "entry": last.number, "digest": last.digest},
    )


def _moved(entry: Entry, of: str, task: str, number: int) -> Entry:
    return dataclasses.replace(_of_task(entry, of, task), number=number)


def _renamed(state: State, of: str, task: str) -> State:
    """The state with gate splits of another task's name."""
    return dataclasses.replace(
        state,
        looks={
            _split(split, of, task): tuple(_of_task(entry, of, task) for entry in looks)
            for split, looks in state.looks.items()
        },
        budgets={_split(split, of, task): kept for split, kept in state.budgets.items()},
    )


def _of_task(entry: Entry, of: str, task: str) -> Entry:
    if entry.kind != "look":
        return entry
    split = _split(str(entry.details["lineage"]), of, task)
    return dataclasses.replace(entry, details={**entry.details, "lineage": split})


def _split(split: str, of: str, task: str) -> str:
    return f"{task}/{split.removeprefix(f'{of}/')}"
