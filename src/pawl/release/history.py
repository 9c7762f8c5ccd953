"""Questions to the record: what was released, where things stand, how two versions differ."""

from __future__ import annotations

from typing import Any

from pawl.ledger.entries import Entry, State, champion_of, replay_entries
from pawl.ledger.ledger import entries
from pawl.store.client import Store


def history(store: Store, task: str) -> list[dict[str, Any]]:
    """Releases that counted, accepted relabels and retirements, oldest first, as JSON values.

    Each: `kind`, `version`, `digest`, `from` (version or None), `when`, `who`, `why`, `evidence`
    (sha256 of the verdict file or None), `entry` (its number in the ledger), `unearned` (the kind
    of the release that a person once made of that version without the gate, or None). Relabels and
    retirements move no champion: their `from` is None, and a relabel has no version.

    Raises:
        RegistryError: the store cannot be reached.
    """
    state = replay_entries(entries(store, task))
    told = (*state.releases, *state.relabels, *state.retired)
    return [_told(state, entry) for entry in sorted(told, key=lambda entry: entry.number)]


def _told(state: State, entry: Entry) -> dict[str, Any]:
    of = entry.new or (champion_of(entry) if entry.kind == "retire" else None)
    unearned = of and state.unearned(of)
    if unearned and unearned.number > entry.number:
        unearned = None
    return {
        "entry": entry.number,
        "kind": entry.kind,
        "version": of and of.version,
        "digest": of and of.digest,
        "from": entry.expected.version if entry.new else None,
        "when": entry.when,
        "who": entry.who,
        "why": entry.why,
        "evidence": entry.evidence,
        "unearned": unearned and unearned.kind,
    }
