"""The register of held-out rows: which rows were ever dev or gate rows, and with which answers.

Each look that counts brings the rows that it saw first, and each accepted relabel the answers that
it changed. The register is the fold of both, so that every workspace of a store sees the same.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from pawl.core.records import Example, HeldOutRow, Relabel, to_json
from pawl.errors import UsageError
from pawl.ledger.entries import Entry
from pawl.ledger.ledger import append, model
from pawl.ledger.state import read_state
from pawl.store.artifacts import artifact_ref, fetch_rows, store_rows
from pawl.store.client import Store

KNOWN, RELABELS = "known", "relabels"


@dataclass(frozen=True)
class EntryRows:
    """What one ledger entry adds: the rows that its look saw first, or the answers it changed."""

    rows: tuple[HeldOutRow, ...] = ()
    relabels: tuple[Relabel, ...] = ()


def store_new_rows(
    store: Store, task: str, lineage: str, held_out: Mapping[str, Sequence[Example]]
) -> dict[str, Any]:
    """Keep the dev and gate rows that no look of this lineage has seen; what its entry says of it.

    Called before the look is reserved: rows without an entry are never read, an entry without its
    rows would let what is scored be relabelled.

    Raises:
        RegistryError: the store cannot be reached, or what it kept was altered.
    """
    had = {(row.split, row.key) for row in held_out_rows(store, task) if row.lineage == lineage}
    fresh: dict[tuple[str, str, str], dict[str, Any]] = {}
    for split, rows in held_out.items():
        for row in rows:
            if (split, row.key) not in had:
                said = {**to_json(row), "split": split}
                del said["fields"]
                fresh.setdefault((split, row.key, row.completion), said)
    if not fresh:
        return {}
    return {
        KNOWN: to_json(store_rows(store, model(task), list(fresh.values()), name=f"{KNOWN}.jsonl"))
    }


def held_out_rows(store: Store, task: str) -> tuple[HeldOutRow, ...]:
    """All rows that were held out in a look, of every lineage, with the answers that count.

    Raises:
        RegistryError: the store cannot be reached, or what it kept was altered.
    """
    state = read_state(store, task)
    said: dict[int, EntryRows] = {}
    for lineage, looks in state.looks.items():
        for look, entry in enumerate(looks, start=1):
            said[entry.number] = EntryRows(rows=_rows(store, entry, lineage=lineage, look=look))
    for entry in state.relabels:
        said[entry.number] = EntryRows(relabels=_relabels(store, entry))
    return replay_held_out(said[number] for number in sorted(said))


def replay_held_out(said: Iterable[EntryRows]) -> tuple[HeldOutRow, ...]:
    """What entries, in number order, come to. Pure.

    A prompt keeps the answers of the entry that first held it out, in whichever lineage, until a
    relabel changes them. A row stands once for each lineage, split and answer.
    """
    answers: dict[str, tuple[str, ...]] = {}
    first: dict[tuple[str, str, str], HeldOutRow] = {}
    for seen in said:
        new: dict[str, dict[str, None]] = {}
        for row in seen.rows:
            first.setdefault((row.lineage, row.split, row.key), row)
            new.setdefault(row.key, {})[row.completion] = None
        for key, given in new.items():
            answers.setdefault(key, tuple(given))
        answers |= {change.key: change.now for change in seen.relabels}
    return tuple(
        dataclasses.replace(row, completion=answer)
        for row in first.values()
        for answer in answers[row.key]
    )


def accept(store: Store, task: str, changes: Sequence[Relabel], *, who: str, why: str) -> Entry:
    """Let changed answers of known rows count from now on; the champion stays.

    Raises:
        UsageError: nothing changed, or no reason was given.
        RegistryError: the store cannot be reached.
    """
    if not changes:
        raise UsageError(
            "no held-out row has another answer than it is known with",
            rule="an acceptance changes the answers of known dev and gate rows",
            remedy=f"`pawl run {task}` goes on with the present data",
        )
    if not why.strip():
        raise UsageError(
            "no reason was given", rule="every relabel says why", remedy="add --reason '…'"
        )
    kept = store_rows(
        store, model(task), [to_json(change) for change in changes], name=f"{RELABELS}.jsonl"
    )
    return append(
        store,
        task,
        op_id=f"relabel:{uuid.uuid4().hex}",
        kind="relabel",
        expected=read_state(store, task).champion,
        new=None,
        who=who,
        why=why.strip(),
        details={RELABELS: to_json(kept)},
    )


def _rows(store: Store, entry: Entry, *, lineage: str, look: int) -> tuple[HeldOutRow, ...]:
    kept = artifact_ref(entry.details, KNOWN)
    lines = [] if kept is None else fetch_rows(store, kept)
    return TypeAdapter(tuple[HeldOutRow, ...]).validate_python(
        [{**line, "lineage": lineage, "look": look} for line in lines]
    )


def _relabels(store: Store, entry: Entry) -> tuple[Relabel, ...]:
    kept = artifact_ref(entry.details, RELABELS)
    lines = [] if kept is None else fetch_rows(store, kept)
    return TypeAdapter(tuple[Relabel, ...]).validate_python(lines)
