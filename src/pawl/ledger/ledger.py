"""The ledger in the store: entries are read, and appended whole or not at all.

Entries are numbered versions of the registered model `<task>.ledger`, because making a version is
the one thing that MLflow numbers atomically. Their kinds (`Kind`: `first`, `promote`, `override`,
`rollback`, `adopt`, `look`, `relabel`, `retire`) and the state they lead to: `pawl.ledger.entries`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from pawl.core.jsonio import refuse_constant
from pawl.core.records import Champion, to_json
from pawl.errors import RegistryError
from pawl.ledger.entries import Entry, Kind, check_details, retired_champion
from pawl.ledger.hash_chain import link_entry
from pawl.store.client import Store, add_version, all_versions

if TYPE_CHECKING:
    from pawl.store.client import ModelVersion

TAG = "pawl.entry"


def entries(store: Store, task: str, *, whole: bool = False) -> tuple[Entry, ...]:
    """All entries of a task's ledger, oldest first.

    An open store caches what it has read: only later entries are read again, or all of them where
    the last cached one was altered. `whole` reads all of them in any case, to see whether an
    earlier entry was altered.

    Raises:
        RegistryError: the store cannot be reached, or a version of the ledger is no entry.
    """
    cached = () if whole else store.seen.get(model(task), ())
    later = _entries_after(store, task, cached[-1]) if cached else None
    if later is None:
        written = tuple(_parse(version, task) for version in all_versions(store, model(task)))
    else:
        written = (*cached, *later)
    store.seen[model(task)] = written
    return written


def append(
    store: Store,
    task: str,
    *,
    op_id: str,
    kind: Kind,
    expected: Champion,
    new: Champion | None,
    who: str,
    why: str,
    evidence: str | None = None,
    details: dict[str, Any] | None = None,
    run: str | None = None,
    seen: tuple[Entry, ...] | None = None,
) -> Entry:
    """Write one entry, whole or not at all, and return it; the same `op_id` again writes none.

    `run` is the MLflow run that judged what is released; the entry's page links to it. `seen` is
    the ledger as the writer of a new `op_id` read it; where it is None, it is read here. Whether
    the entry counts, `replay_entries` decides: somebody else may have been first.

    Raises:
        RegistryError: the store cannot be reached.
    """
    seen = entries(store, task) if seen is None else seen
    for entry in seen:
        if entry.op_id == op_id:
            return entry
    when = datetime.now(UTC).isoformat(timespec="milliseconds")
    unlinked = Entry(
        0, op_id, kind, expected, new, who, why, when, evidence, details=dict(details or {})
    )
    entry = link_entry(unlinked, seen)
    added = add_version(
        store,
        model(task),
        op_id=op_id,
        source=f"pawl:/{task}/ledger",
        tags=_tags(entry),
        description=_description(entry, task)
        + (f"\n\n[the run that judged it](#/runs/{run})" if run else ""),
        run_id=run,
    )
    return _parse(added, task)


def model(task: str) -> str:
    """The name of the registered model that holds a task's ledger; no task's name has a dot."""
    return f"{task}.ledger"


def _entries_after(store: Store, task: str, last: Entry) -> tuple[Entry, ...] | None:
    """The entries after `last`, None if `last` itself is gone or was altered."""
    newest = [_parse(v, task) for v in all_versions(store, model(task), since=last.number)]
    return tuple(newest[1:]) if newest[:1] == [last] else None


def _tags(entry: Entry) -> dict[str, str]:
    """One tag that holds the entry, and a few for people; all are written in one transaction."""
    body = to_json(entry)
    del body["number"]
    tags = {
        TAG: json.dumps(body, sort_keys=True, ensure_ascii=False),
        "pawl.kind": entry.kind,
        "pawl.who": entry.who,
    }
    if entry.new is not None:
        tags |= {"pawl.from": entry.expected.label(), "pawl.to": entry.new.label()}
    return tags


def _description(entry: Entry, task: str) -> str:
    """The entry as markdown for its MLflow page; links are relative to that page.

    MLflow's list of versions shows the first line as plain text and no more than 32 characters.
    """
    if entry.kind == "relabel":
        first, text = "relabel", f"{entry.details['relabels']['rows']} held-out rows"
    elif entry.kind == "retire":
        gone = retired_champion(entry)
        first, text = f"retire: {gone.version}", f"{_linked(gone, task)} is never released again"
    elif entry.new is None:
        first, text = "look", f"at the gate split `{entry.details.get('lineage')}`"
    else:
        first = f"{entry.kind}: {entry.expected.version or 'none'} → {entry.new.version}"
        text = f"{_linked(entry.expected, task)} → {_linked(entry.new, task)}"
    evidence = f"\n\nevidence: `{entry.evidence}`" if entry.evidence else ""
    return f"{first}\n\n{text}\n\n{entry.why}\n\n— {entry.who}, {entry.when}{evidence}"


def _linked(champion: Champion, task: str) -> str:
    if champion.version is None:
        return "none"
    return f"[version {champion.version}](#/models/{task}/versions/{champion.version})"


def _parse(version: ModelVersion, task: str) -> Entry:
    number = int(version.version)
    try:
        body = json.loads(version.tags[TAG], parse_constant=refuse_constant)
        entry = _schema().validate_python({**body, "number": number})
        check_details(entry)
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise RegistryError(
            f"version {number} of '{model(task)}' is no ledger entry: {error}",
            rule="the ledger is written by Pawl alone and never edited",
            remedy="restore the tracking store from its backup; every state after it is in doubt",
        ) from error
    return entry


@cache
def _schema() -> TypeAdapter[Entry]:
    # Made once: making it takes a millisecond, reading an entry with it some microseconds.
    return TypeAdapter(Entry)
