"""The register of held-out rows: which rows were ever dev or gate rows, and with which answers.

Each look that counts brings the rows that it saw first, and each accepted relabel the answers that
it changed. The register is replayed from both, so that every workspace of a store sees the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from pawl.core.records import Example, HeldOutRow, Relabel, to_json
from pawl.core.records.data import Standing
from pawl.errors import UsageError
from pawl.ledger.entries import Entry, State
from pawl.ledger.ledger import append, given_reason, model
from pawl.ledger.state import read_state, undoubted_state
from pawl.store.artifacts import fetch_rows, store_rows
from pawl.store.client import Store

KNOWN, RELABELS, REMOVED, WITHDRAWN = "known", "relabels", "removed", "withdrawn"


@dataclass(frozen=True)
class EntryRows:
    """One ledger entry's part: the rows that its look saw first, the answers that it changed, or
    the keys of the rows that it let go.
    """

    rows: tuple[HeldOutRow, ...] = ()
    relabels: tuple[Relabel, ...] = ()
    removed: tuple[str, ...] = ()


def store_new_rows(
    store: Store,
    task: str,
    gate_split_id: str,
    held_out: Mapping[str, Sequence[Example]],
    *,
    grouping: Sequence[str] = (),
) -> dict[str, Any]:
    """Store the dev and gate rows that no look at this gate split has seen.

    `grouping` names the fields that are kept, by which rows are grouped or sliced.

    Returns the part of the look's `details` that refers to them; empty where there are none.
    Called before the look is reserved: rows without an entry are never read, an entry without its
    rows would let what is scored be relabelled.

    Raises:
        RegistryError: stored rows were altered.
    """
    earlier = held_out_rows(store, task)
    registered = {(row.split, row.key) for row in earlier if row.lineage == gate_split_id}
    fresh: dict[tuple[str, str, str], dict[str, Any]] = {}
    for split, rows in held_out.items():
        for row in rows:
            if (split, row.key) not in registered:
                line = {**to_json(row), "split": split}
                if groups := {name: row.fields[name] for name in grouping if name in row.fields}:
                    line["groups"] = groups
                for key in ("fields", "tool_calls", "taught"):  # of training alone
                    line.pop(key, None)
                fresh.setdefault((split, row.key, row.completion), line)
    if not fresh:
        return {}
    ref = store_rows(store, model(task), list(fresh.values()), name=f"{KNOWN}.jsonl")
    return {KNOWN: to_json(ref)}


def held_out_rows(store: Store, task: str) -> tuple[HeldOutRow, ...]:
    """All rows that were held out in a look, at any gate split, with the answers that count.

    Raises:
        RegistryError: stored rows were altered.
    """
    state = read_state(store, task)
    schema, parts = TypeAdapter(EntryRows), dict[int, EntryRows]()
    for gate_split_id, looks in state.looks.items():
        for look, entry in enumerate(looks, start=1):
            of = {"lineage": gate_split_id, "look": look}
            lines = [line | of for line in fetch_rows(store, entry.details, KNOWN)]
            parts[entry.number] = schema.validate_python({"rows": lines})
    for entry in state.relabels:
        lines = fetch_rows(store, entry.details, RELABELS)
        gone = [line["key"] for line in fetch_rows(store, entry.details, REMOVED)]
        parts[entry.number] = schema.validate_python({"relabels": lines, "removed": gone})
    rows = replay_held_out(parts[number] for number in sorted(parts))
    return tuple(dataclasses.replace(row, standing=standing(row, state)) for row in rows)


def standing(row: HeldOutRow, state: State) -> Standing:
    """Whether the row is a goalpost (''), not yet, or no longer one (ADR 38). Pure.

    Rows are pending until a look that had them, or a later one, has led to a release: what only
    rejected candidates were judged on may have come with a damaged delivery.
    """
    if row.standing:
        return row.standing
    looks = state.looks[row.lineage]
    if row.look in withdrawn_looks(looks):
        return "withdrawn"
    released = state.released
    return "pending" if released is None or looks[row.look - 1].number > released else ""


def withdrawn_looks(looks: Iterable[Entry]) -> set[int]:
    """The numbers of the looks whose rows no longer judge, by the looks at one gate split. Pure."""
    return {int(number) for look in looks for number in look.details.get(WITHDRAWN, ())}


def replay_held_out(parts: Iterable[EntryRows]) -> tuple[HeldOutRow, ...]:
    """The register that the parts of entries, in number order, lead to. Pure.

    A prompt's answers are those of the entry that first held it out, at whichever gate split, until
    a relabel changes them. There is one row for each gate split, split and answer. What was let go
    stays known.
    """
    answers: dict[str, tuple[str, ...]] = {}
    removed: set[str] = set()
    first: dict[tuple[str, str, str], HeldOutRow] = {}
    for part in parts:
        new: dict[str, dict[str, None]] = {}
        for row in part.rows:
            first.setdefault((row.lineage, row.split, row.key), row)
            new.setdefault(row.key, {})[row.completion] = None
        for key, completions in new.items():
            answers.setdefault(key, tuple(completions))
        answers |= {change.key: change.now for change in part.relabels}
        removed.update(part.removed)
    return tuple(
        dataclasses.replace(
            row, completion=answer, standing="removed" if row.key in removed else row.standing
        )
        for row in first.values()
        for answer in answers[row.key]
    )


def accept(store: Store, task: str, changes: Sequence[Relabel], *, who: str, why: str) -> Entry:
    """Accept changed answers of registered held-out rows; the champion stays.

    Raises:
        UsageError: nothing changed, or no reason was given.
    """
    if not changes:
        raise UsageError(
            "no held-out row has another answer than the registered one",
            rule="an acceptance changes the answers of registered dev and gate rows",
            remedy=f"`pawl run {task}` goes on with the present data",
        )
    return _append(store, task, RELABELS, [to_json(change) for change in changes], who, why)


def let_go(store: Store, task: str, rows: Sequence[HeldOutRow], *, who: str, why: str) -> Entry:
    """Let registered gate rows judge no longer; the champion stays, and they stay out of train.

    Raises:
        UsageError: there are none, or no reason was given.
    """
    if not rows:
        raise UsageError(
            "the data holds every gate row that judges",
            rule="only rows that the data no longer holds are let go",
            remedy=f"`pawl run {task}` goes on with the present data",
        )
    lines = [{"key": row.key, "id": row.id, "split": row.split} for row in rows]
    return _append(store, task, REMOVED, lines, who, why)


def _append(
    store: Store, task: str, what: str, lines: Sequence[dict[str, Any]], who: str, why: str
) -> Entry:
    why = given_reason(why, of="relabel")
    ref = store_rows(store, model(task), lines, name=f"{what}.jsonl")
    return append(
        store,
        task,
        kind="relabel",
        expected=undoubted_state(store, task).champion,
        who=who,
        why=why,
        details={what: to_json(ref)},
    )
