"""The state of a task's ledger, read from the store, and what makes it doubtful."""

from __future__ import annotations

from dataclasses import dataclass

from pawl.errors import RegistryError
from pawl.ledger.alias import read_alias
from pawl.ledger.carried import carried_state
from pawl.ledger.entries import Entry, State, replay_entries
from pawl.ledger.heads import Head, forget_text, head_of, lost_heads, remember, remembered
from pawl.ledger.keys import trusted_keys
from pawl.ledger.ledger import counting_entries, entries, ledger_name, model
from pawl.ledger.manual_changes import Alias, ledger_problems
from pawl.ledger.vouching import vouched
from pawl.store.client import Store


@dataclass(frozen=True)
class LedgerReading:
    """A ledger as it was read.

    `written` are all entries, `counting` those that a trusted key signed or vouched for, `state`
    what these lead to. `problems` say why the state is in doubt, by entry number; `lost` are the
    remembered heads that the ledger does not extend.
    """

    written: tuple[Entry, ...]
    counting: tuple[Entry, ...]
    state: State
    alias: Alias
    problems: tuple[tuple[int, str], ...]
    lost: tuple[Head, ...]

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why the state is in doubt, a text each; empty for a sound ledger."""
        return tuple(text for _, text in self.problems)


def read_ledger(store: Store, task: str, *, whole: bool = True) -> LedgerReading:
    """Read a task's ledger, and remember its head where nothing is wrong with it.

    `whole` False: entries that this open store has read before are not read again.
    """
    # The alias first: the entry that it was set from was in the ledger by then.
    alias, written = read_alias(store, task), entries(store, task, whole=whole)
    workspace, name = store.workspace, ledger_name(store, task)
    trusted = trusted_keys(workspace)
    counting = vouched(written, model(task), trusted)
    lost = lost_heads(counting, written, remembered(workspace, name))
    problems = (
        *ledger_problems(written, counting, alias, trusted=trusted),
        *((head.number, _lost_text(head, written)) for head in lost),
    )
    if not problems and (head := head_of(written)):
        remember(workspace, name, head)
    state = replay_entries(counting, carried_state(store, task, counting))
    return LedgerReading(written, counting, state, alias, problems, lost)


def undoubted_state(store: Store, task: str) -> State:
    """The state of a task's ledger, read whole; `RegistryError` where the ledger was altered."""
    return undoubted_ledger(store, task).state


def undoubted_ledger(store: Store, task: str, *, whole: bool = True) -> LedgerReading:
    """A task's ledger (see `read_ledger`); `RegistryError` where it was altered."""
    reading = read_ledger(store, task, whole=whole)
    if reading.problems:
        raise RegistryError(
            "; ".join(reading.doubts),
            rule=f"the champion of '{task}' follows from its ledger; an altered ledger may lead "
            "to another one",
            remedy=doubt_remedy(store, task, reading),
        )
    return reading


def read_state(store: Store, task: str) -> State:
    """The state of a task's ledger."""
    counting = counting_entries(store, task)
    return replay_entries(counting, carried_state(store, task, counting))


def doubt_remedy(store: Store, task: str, reading: LedgerReading) -> str:
    """What a person does about a ledger that is in doubt."""
    if not reading.written:
        return f"`pawl restore FILE`; or, to begin anew on purpose: {forget_text(store.workspace)}"
    return (
        "restore the tracking store from its backup (`pawl restore`); or see `pawl history "
        f"{task}` and name the champion yourself: `pawl adopt {task} VERSION --reason …`"
    )


def _lost_text(head: Head, written: tuple[Entry, ...]) -> str:
    last = written[-1].number if written else 0
    if last < head.number:
        now = f"ends at entry {last}" if last else "has no entries"
        return (
            f"the ledger {now}, and this workspace has seen its entry {head.number}: later looks "
            "and releases are gone from it, as in an older backup"
        )
    return f"the ledger up to entry {head.number} is not the one that this workspace has seen"
