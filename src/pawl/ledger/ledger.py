"""The ledger in the store: entries are read, and appended whole or not at all.

Entries are numbered versions of the registered model `<task>.ledger`, because making a version is
the one thing that MLflow numbers atomically. Their kinds (`Kind`: `first`, `promote`, `override`,
`rollback`, `adopt`, `look`, `relabel`, `retire`, `continue`, `approve`) and the state that they
lead to: `pawl.ledger.entries`.
"""

from __future__ import annotations

import dataclasses
import json
import uuid
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from pawl.core.files import digest_text
from pawl.core.jsonio import refuse_constant
from pawl.core.records import Champion, Signature, to_json
from pawl.core.visible import is_text
from pawl.errors import RegistryError, UsageError
from pawl.ledger.entries import Entry, Kind, check_details, retired_champion
from pawl.ledger.hash_chain import link_entry
from pawl.ledger.heads import head_of, lost_heads, remember, remembered
from pawl.ledger.keys import TRUSTED, trusted_keys
from pawl.ledger.signatures import sign
from pawl.ledger.vouching import KIND, signed_content, vouched
from pawl.store.addresses import displayed, sqlite_file
from pawl.store.client import Store
from pawl.store.registry import LEDGER, add_version, all_versions

if TYPE_CHECKING:
    from pawl.store.pages import VersionPage

TAG, SIGNATURE = "pawl.entry", "pawl.signature"


def entries(store: Store, task: str, *, whole: bool = False) -> tuple[Entry, ...]:
    """All entries of a task's ledger, oldest first, also those that do not count.

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


def counting_entries(store: Store, task: str, *, whole: bool = False) -> tuple[Entry, ...]:
    """The entries of a task's ledger that count (see `pawl.ledger.vouching`), oldest first."""
    return vouched(entries(store, task, whole=whole), model(task), trusted_keys(store.workspace))


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
    """Sign and write one entry, whole or not at all; the same `op_id` again writes none.

    `op_id` None is a new operation. `run` is the MLflow run that judged what is released; the
    entry's page links to it. `seen` are the counting entries as the writer of a new `op_id` read
    them; where it is None, they are read here. Whether the entry counts, `replay_entries` decides:
    somebody else may have been first.

    Raises:
        UsageError: this machine has no trusted key.
    """
    seen = counting_entries(store, task) if seen is None else seen
    _refuse_lost_keys(store, task)
    op_id = op_id or f"{kind}:{uuid.uuid4().hex}"
    for entry in seen:
        if entry.op_id == op_id:
            return entry
    when = datetime.now(UTC).isoformat(timespec="milliseconds")
    details = dict(details or {})
    entry = Entry(0, op_id, kind, expected, new, who, why, when, evidence, details=details)
    entry = link_entry(entry, seen)
    page = _description(entry, store.named(task))
    page += f"\n\n[the run that judged it](#/runs/{run})" if run else ""
    # One tag holds the entry, the others are for people; all are written in one transaction.
    text = json.dumps(entry.body, sort_keys=True, ensure_ascii=False)
    signature = sign(store.workspace, KIND, signed_content(entry, model(task)))
    tags = {TAG: text, SIGNATURE: json.dumps(to_json(signature)), "pawl.kind": kind}
    tags["pawl.who"] = who
    if new is not None:
        tags |= {"pawl.from": expected.label(), "pawl.to": new.label()}
    name, source = model(task), f"pawl:/{task}/ledger"
    added = add_version(
        store, name, op_id=op_id, source=source, tags=tags, description=page, run_id=run
    )
    entry = _parse(added, task)
    _remember_head(store, task, entry)
    return entry


def ledger_name(store: Store, task: str) -> str:
    """The name of a task's ledger in a store, without blanks; for what a workspace remembers."""
    file, root = sqlite_file(store.uri), store.workspace.root
    inside = file is not None and file.is_relative_to(root)
    # The same in a workspace that was moved.
    place = str(file.relative_to(root)) if file and inside else displayed(store.uri)
    return f"{model(task)}@{digest_text(place)[:12]}"


def given_reason(why: str, *, of: str) -> str:
    """The reason of an entry, stripped; refused (`UsageError`) if there is none."""
    if not is_text(why):
        raise UsageError(
            f"the reason {why[:80]!a} is no UTF-8",
            rule="it is stored for ever, for others to read",
            remedy="type it again in a terminal of UTF-8",
        )
    if why := why.strip():
        return why
    raise UsageError("no reason was given", rule=f"every {of} says why", remedy="add --reason '…'")


def model(task: str) -> str:
    """The name of the registered model that holds a task's ledger; no task's name has a dot."""
    return f"{task}{LEDGER}"


def _description(entry: Entry, name: str) -> str:
    """The entry as markdown for its MLflow page; links are relative to that page.

    `name` is the registered model of the task's adapters. MLflow's list of versions shows the
    first line as plain text and no more than 32 characters.
    """
    if entry.kind == "relabel":
        removal = entry.details.get("removed")
        changed = f"{(removal or entry.details['relabels'])['rows']} held-out rows"
        first, text = "relabel", f"{changed} let go" if removal else changed
    elif entry.kind == "retire":
        gone = retired_champion(entry)
        first, text = f"retire: {gone.version}", f"{_linked(gone, name)} is never released again"
    elif entry.kind == "approve":
        that = retired_champion(entry)
        first, text = f"approve: {that.version}", f"{_linked(that, name)} may be released"
    elif entry.kind == "continue":
        of = entry.details
        first, text = (
            "continue",
            f"what `{of['task']}` had judged by its entry {of['entry']} counts",
        )
    elif entry.new is None:
        first, text = "look", f"at the gate split `{entry.details.get('lineage')}`"
    else:
        first = f"{entry.kind}: {entry.expected.version or 'none'} → {entry.new.version}"
        text = f"{_linked(entry.expected, name)} → {_linked(entry.new, name)}"
    evidence = f"\n\nevidence: `{entry.evidence}`" if entry.evidence else ""
    return f"{first}\n\n{text}\n\n{entry.why}\n\n— {entry.who}, {entry.when}{evidence}"


def _linked(champion: Champion, name: str) -> str:
    if champion.version is None:
        return "none"
    return f"[version {champion.version}](#/models/{name}/versions/{champion.version})"


def _parse(version: VersionPage, task: str) -> Entry:
    number = version.version
    try:
        body = json.loads(version.tags[TAG], parse_constant=refuse_constant)
        entry = _schema().validate_python({**body, "number": number})
        if signed := version.tags.get(SIGNATURE):
            signature = TypeAdapter(Signature).validate_json(signed)
            entry = dataclasses.replace(entry, signature=signature)
        check_details(entry)
        return entry
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise RegistryError(
            f"version {number} of '{model(task)}' is no ledger entry: {error}",
            rule="the ledger is written by Pawl alone and never edited",
            remedy="restore the tracking store from its backup; every state after it is in doubt",
        ) from error


def _remember_head(store: Store, task: str, new: Entry) -> None:
    written, name = store.seen.get(model(task), ()), ledger_name(store, task)
    # Read again only where somebody else has written in between.
    in_turn = new.number == (written[-1].number + 1 if written else 1)
    written = (*written, new) if in_turn else entries(store, task)
    head = head_of(written)
    # What was lost is not forgotten by writing on: an adoption lets it go.
    counting = vouched(written, model(task), trusted_keys(store.workspace))
    if head and not lost_heads(counting, written, remembered(store.workspace, name)):
        remember(store.workspace, name, head)


def _refuse_lost_keys(store: Store, task: str) -> None:
    """Refuse (`UsageError`) to make a key for a ledger that others have signed."""
    if trusted_keys(store.workspace):
        return
    if any(entry.signature for entry in entries(store, task)):
        raise UsageError(
            f"{TRUSTED} is gone, and the ledger of '{task}' is signed",
            rule=f"the record is signed with a key whose public half is in {TRUSTED}",
            remedy=f"restore it: `git checkout {TRUSTED}`, or from a backup",
        )


@cache
def _schema() -> TypeAdapter[Entry]:
    # Made once: making it takes a millisecond, reading an entry with it some microseconds.
    return TypeAdapter(Entry)
