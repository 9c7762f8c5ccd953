"""What a task goes on from: the looks and held-out rows of another one.

A task's looks, its alpha and the rows that it was judged on hang on its name. With `--continues`
`pawl new` begins the new name's ledger with an entry that names the old one and its last entry, by
number and digest. What that ledger says up to there goes before what the new one says.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from pawl.errors import RegistryError
from pawl.ledger.entries import Entry, State, replay_entries
from pawl.ledger.ledger import counting_entries
from pawl.store.client import Store


class Origin(NamedTuple):
    """The task that a ledger goes on from, and its last entry then."""

    task: str
    entry: int
    digest: str


def origin(counting: Sequence[Entry]) -> Origin | None:
    """What a ledger goes on from, by its first entry that counts; None where it begins anew."""
    if not counting or counting[0].kind != "continue":
        return None
    details = counting[0].details
    return Origin(str(details["task"]), int(details["entry"]), str(details["digest"]))


def carried_state(
    store: Store, task: str, counting: Sequence[Entry], *, before: int = 0
) -> State | None:
    """The state that the task's ledger goes on from, None where it begins anew.

    Its gate splits have the new task's name, and its entries numbers below `before`.

    Raises:
        RegistryError: the ledger it names no longer has that entry.
    """
    if (begun := origin(counting)) is None:
        return None
    of, last, digest = begun
    written = [entry for entry in counting_entries(store, of) if entry.number <= last]
    if not written or written[-1].digest != digest:
        raise RegistryError(
            f"the ledger of '{of}' no longer has its entry {last} as '{task}' found it",
            rule=f"the looks and held-out rows of '{of}' count for '{task}'",
            remedy="restore the tracking store from its backup (`pawl restore`)",
        )
    earlier = carried_state(store, of, written, before=before - last)
    moved = [_moved(entry, of, task, entry.number - last - 1 + before) for entry in written]
    return replay_entries(moved, earlier and _renamed(earlier, of, task))


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
