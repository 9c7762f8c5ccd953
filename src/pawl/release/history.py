"""`pawl history`: what changed the champion of a task, when, by whom and why."""

from __future__ import annotations

from pawl.core.records.commands import HistoryEntry
from pawl.ledger.entries import Entry, State, retired_champion
from pawl.ledger.state import read_state
from pawl.store.client import Store


def history(store: Store, task: str) -> tuple[HistoryEntry, ...]:
    """Return the releases that counted, accepted relabels and retirements, oldest first."""
    state = read_state(store, task)
    counted = [*state.releases, *state.relabels, *state.retired]
    counted.sort(key=lambda entry: entry.number)
    return tuple(_history_entry(state, entry) for entry in counted)


def _history_entry(state: State, entry: Entry) -> HistoryEntry:
    adapter = entry.new or (retired_champion(entry) if entry.kind == "retire" else None)
    unearned = state.unearned(adapter) if adapter else None
    return HistoryEntry(
        entry=entry.number,
        kind=entry.kind,
        version=adapter.version if adapter else None,
        digest=adapter.digest if adapter else None,
        from_=entry.expected.version if entry.new else None,
        when=entry.when,
        who=entry.who,
        why=entry.why,
        evidence=entry.evidence,
        unearned=unearned.kind if unearned and unearned.number <= entry.number else None,
    )
