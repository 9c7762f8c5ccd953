"""The ledger in the store: entries are read, and appended whole or not at all.

Entries are numbered versions of the registered model `<task>.ledger`, because making a version is
the one thing that MLflow numbers atomically. Their kinds (`Kind`: `first`, `promote`, `override`,
`rollback`, `adopt`, `look`, `relabel`, `retire`) and what they come to: `pawl.ledger.entries`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from pawl.core.records import Champion, to_json
from pawl.errors import RegistryError
from pawl.ledger.entries import Entry, Kind, champion_of, read_details
from pawl.ledger.hash_chain import naming
from pawl.store.client import Store, add_version, all_versions

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion


TAG = "pawl.entry"


def entries(store: Store, task: str, *, whole: bool = False) -> tuple[Entry, ...]:
    """All entries of a task's ledger, oldest first.

    An open store remembers what it has read: only what was written since is read again, and all of
    it if the last known entry is no longer what it was. `whole` reads all of it in any case, to
    see whether an earlier entry was altered.

    Raises:
        RegistryError: the store cannot be reached, or a version of the ledger is no entry.
    """
    known = () if whole else store.seen.get(model(task), ())
    newest = _since(store, task, known[-1]) if known else None
    if newest is None:
        found = tuple(_parse(version, task) for version in all_versions(store, model(task)))
    else:
        found = (*known, *newest)
    store.seen[model(task)] = found
    return found


def _since(store: Store, task: str, last: Entry) -> tuple[Entry, ...] | None:
    """The entries after `last`, None if `last` itself is no longer there as it was."""
    found = [_parse(v, task) for v in all_versions(store, model(task), since=last.number)]
    return tuple(found[1:]) if found[:1] == [last] else None


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
    the ledger as the writer of a new `op_id` read it; where it is None, it is read here.
    Whether it counts is for `fold` to say: somebody else may have been first.

    Raises:
        RegistryError: the store cannot be reached.
    """
    seen = entries(store, task) if seen is None else seen
    for entry in seen:
        if entry.op_id == op_id:
            return entry
    when = datetime.now(UTC).isoformat(timespec="milliseconds")
    said = Entry(
        0, op_id, kind, expected, new, who, why, when, evidence, details=dict(details or {})
    )
    entry = naming(said, seen)
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
    """The registered model that carries a task's ledger; no task's name has a dot."""
    return f"{task}.ledger"


def _tags(entry: Entry) -> dict[str, str]:
    """The entry in one tag for the machine, and in a few for eyes; all in one transaction."""
    body = to_json(entry)
    del body["number"]
    tags = {
        TAG: json.dumps(body, sort_keys=True, ensure_ascii=False),
        "pawl.kind": entry.kind,
        "pawl.who": entry.who,
    }
    if entry.new is not None:
        tags |= {"pawl.from": _name(entry.expected), "pawl.to": _name(entry.new)}
    return tags


def _description(entry: Entry, task: str) -> str:
    """The entry in words, as markdown; links are those of the MLflow pages that show it.

    MLflow's list of versions shows the first line as plain text and no more than 32 characters.
    """
    if entry.kind == "relabel":
        first, says = "relabel", f"{entry.details['relabels']['rows']} held-out rows"
    elif entry.kind == "retire":
        gone = champion_of(entry)
        first, says = f"retire: {gone.version}", f"{_linked(gone, task)} is never released again"
    elif entry.new is None:
        first, says = "look", f"at the gate split `{entry.details.get('lineage')}`"
    else:
        first = f"{entry.kind}: {entry.expected.version or 'none'} → {entry.new.version}"
        says = f"{_linked(entry.expected, task)} → {_linked(entry.new, task)}"
    evidence = f"\n\nevidence: `{entry.evidence}`" if entry.evidence else ""
    return f"{first}\n\n{says}\n\n{entry.why}\n\n— {entry.who}, {entry.when}{evidence}"


def _linked(champion: Champion, task: str) -> str:
    if champion.version is None:
        return "none"
    return f"[version {champion.version}](#/models/{task}/versions/{champion.version})"


def _name(champion: Champion) -> str:
    return "none" if champion.version is None else f"version {champion.version}"


def _parse(version: ModelVersion, task: str) -> Entry:
    number = int(version.version)
    try:
        body = json.loads(version.tags[TAG], parse_constant=_refuse)
        entry = _schema().validate_python({**body, "number": number})
        read_details(entry)
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise RegistryError(
            f"version {number} of '{model(task)}' is no ledger entry: {error}",
            rule="the ledger is written by Pawl alone and never edited",
            remedy="restore the tracking store from its backup; every state after it is in doubt",
        ) from error
    return entry


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number that an entry holds")


@cache
def _schema() -> TypeAdapter[Entry]:
    # Made once: making it takes a millisecond, reading an entry with it some microseconds.
    return TypeAdapter(Entry)
