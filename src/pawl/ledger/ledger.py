"""The ledger in the store: entries are read, and appended whole or not at all.

Entries are numbered versions of the registered model `<task>.ledger`, because making a version is
the one thing that MLflow numbers atomically. Their kinds (`Kind`: `first`, `promote`, `override`,
`rollback`, `adopt`, `look`, `relabel`, `retire`) and the state they lead to: `pawl.ledger.entries`.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from pawl.core.jsonio import refuse_constant
from pawl.core.records import Champion, to_json
from pawl.errors import RegistryError, UsageError
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
        RegistryError: a version of the ledger is no entry.
    """
    cached = () if whole else store.seen.get(model(task), ())
    since = cached[-1].number if cached else 1
    read = tuple(_parse(page, task) for page in all_versions(store, model(task), since=since))
    if cached and read[:1] == cached[-1:]:
        read = (*cached, *read[1:])
    elif since > 1:
        return entries(store, task, whole=True)
    store.seen[model(task)] = read
    return read


def append(
    store: Store,
    task: str,
    *,
    kind: Kind,
    expected: Champion,
    who: str,
    why: str,
    op_id: str | None = None,
    new: Champion | None = None,
    evidence: str | None = None,
    details: dict[str, Any] | None = None,
    run: str | None = None,
    seen: tuple[Entry, ...] | None = None,
) -> Entry:
    """Write one entry, whole or not at all, and return it; the same `op_id` again writes none.

    `op_id` None is a new operation. `run` is the MLflow run that judged what is released; the
    entry's page links to it. `seen` is the ledger as the writer of a new `op_id` read it; where it
    is None, it is read here. Whether the entry counts, `replay_entries` decides: somebody else may
    have been first.
    """
    seen = entries(store, task) if seen is None else seen
    op_id = op_id or f"{kind}:{uuid.uuid4().hex}"
    for entry in seen:
        if entry.op_id == op_id:
            return entry
    when = datetime.now(UTC).isoformat(timespec="milliseconds")
    details = dict(details or {})
    entry = Entry(0, op_id, kind, expected, new, who, why, when, evidence, details=details)
    entry = link_entry(entry, seen)
    page = _description(entry, task)
    page += f"\n\n[the run that judged it](#/runs/{run})" if run else ""
    # One tag holds the entry, the others are for people; all are written in one transaction.
    body = {key: value for key, value in to_json(entry).items() if key != "number"}
    text = json.dumps(body, sort_keys=True, ensure_ascii=False)
    tags = {TAG: text, "pawl.kind": kind, "pawl.who": who}
    if new is not None:
        tags |= {"pawl.from": expected.label(), "pawl.to": new.label()}
    name, source = model(task), f"pawl:/{task}/ledger"
    added = add_version(
        store, name, op_id=op_id, source=source, tags=tags, description=page, run_id=run
    )
    return _parse(added, task)


def given_reason(why: str, *, of: str) -> str:
    """The reason of an entry, stripped; refused (`UsageError`) if there is none."""
    if why := why.strip():
        return why
    raise UsageError("no reason was given", rule=f"every {of} says why", remedy="add --reason '…'")


def model(task: str) -> str:
    """The name of the registered model that holds a task's ledger; no task's name has a dot."""
    return f"{task}.ledger"


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
        return entry
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise RegistryError(
            f"version {number} of '{model(task)}' is no ledger entry: {error}",
            rule="the ledger is written by Pawl alone and never edited",
            remedy="restore the tracking store from its backup; every state after it is in doubt",
        ) from error


@cache
def _schema() -> TypeAdapter[Entry]:
    # Made once: making it takes a millisecond, reading an entry with it some microseconds.
    return TypeAdapter(Entry)
