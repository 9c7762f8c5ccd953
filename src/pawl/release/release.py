"""Promote, roll back, adopt: each changes the champion by one ledger entry.

Each raises `AdapterError` where the version's bytes are not those that were judged (nothing changed
then), and `RegistryError` where somebody else released in between.
"""

from __future__ import annotations

from typing import Any

from pawl.core.files import digest_file
from pawl.core.records import Champion
from pawl.errors import RegistryError, UsageError
from pawl.ledger.alias import project
from pawl.ledger.entries import EARNED, Entry, Kind
from pawl.ledger.judgements import is_judged, judged_versions
from pawl.ledger.ledger import append, given_reason
from pawl.ledger.manual_changes import current_manual_move, moved_by_hand
from pawl.ledger.state import LedgerReading, read_ledger, undoubted_ledger
from pawl.model.adapter import MANIFEST
from pawl.release.approval import awaits, refuse_unapproved
from pawl.release.local_copies import local_copy
from pawl.release.preconditions import (
    earlier_champion,
    not_judged_error,
    not_promoted_error,
    refuse_other_base,
    refuse_retired,
    verdict_error,
)
from pawl.release.signing import sign_release
from pawl.store.client import Store
from pawl.store.version_tags import listed_version
from pawl.store.versions import get
from pawl.workspace.paths import Workspace


def promote(
    workspace: Workspace,
    store: Store,
    task: str,
    version: int,
    *,
    why: str,
    who: str,
    override: bool = False,
) -> Entry:
    """Release a version by hand.

    Without `override` only one that the gate promoted over the present champion: a verdict of last
    month says nothing about a champion of last week.

    Raises:
        UsageError: no such version, it is champion already, its verdict does not allow it, or it
            is not what was judged (also with `override`, which is for the gate's word alone).
    """
    chosen, ledger = get(store, task, version), undoubted_ledger(store, task, whole=False)
    state = ledger.state
    if chosen.champion == state.champion:
        raise UsageError(
            f"version {version} is champion of '{task}' already",
            rule="promoting changes the champion",
            remedy=f"`pawl history {task}` lists when it became that",
        )
    allowed = chosen.verdict == "promote" and chosen.against == state.champion
    if not allowed and not override:
        raise not_promoted_error(chosen, state)
    refuse_retired(state, task, chosen.champion)
    if not override:
        refuse_unapproved(workspace, state, chosen)
    elif (awaited := awaits(workspace, state, chosen)) and not awaited.enough:
        allowed = False
    copy = local_copy(workspace, store, chosen.champion, task=task)
    judged = is_judged(store, chosen) and digest_file(copy / MANIFEST) == chosen.manifest
    if not judged:
        # A version of Pawl 0.1 bears no signature; one that does not hold is no matter of taste.
        if chosen.signature or not override:
            raise not_judged_error(chosen)
        allowed = False
    earned: Kind = "promote" if state.champion.version is not None else "first"
    kind, new = earned if allowed else "override", chosen.champion
    return _release(
        workspace, store, task, ledger, kind=kind, new=new, who=who, why=why, override=override
    )


def rollback(
    workspace: Workspace, store: Store, task: str, *, why: str, who: str, to: int | None = None
) -> Entry:
    """Release the previous champion again, or the earlier champion `to`.

    Raises:
        UsageError: there is no previous champion, or `to` never was champion.
    """
    ledger = undoubted_ledger(store, task, whole=False)
    state = ledger.state
    target = state.previous_champion() if to is None else earlier_champion(state, task, to)
    if target is None:
        raise UsageError(
            f"task '{task}' has no champion before the present one",
            rule="a rollback releases an earlier champion again",
            remedy=f"`pawl history {task}` lists the releases; `pawl promote {task} N` releases "
            "another version",
        )
    return _release(workspace, store, task, ledger, kind="rollback", new=target, who=who, why=why)


def adopt(
    workspace: Workspace, store: Store, task: str, *, why: str, who: str, version: int | None = None
) -> Entry:
    """Make a change by hand official: the version that the alias was moved to is champion.

    It must have been judged, or released before: whoever can move the alias can add a version, too.

    `version` None takes the one that the alias points at, or pointed at before it was set back.
    Where the ledger itself was altered, the version may be the present champion.

    Raises:
        UsageError: nothing was changed by hand, there is no such version, or nobody judged it.
    """
    ledger = read_ledger(store, task)
    alias, state = ledger.alias, ledger.state
    move, problems = current_manual_move(alias, state), ledger.problems
    if (chosen := version) is None:
        moved_to = move.version if move else None
        chosen = alias.version if moved_by_hand(alias, state) else moved_to
    if chosen is None or (chosen == state.champion.version and not problems):
        present = f"version {chosen} is champion of '{task}' already"
        raise UsageError(
            f"nothing of '{task}' was changed by hand" if chosen is None else present,
            rule="adopting makes a change official that was made by hand in MLflow",
            remedy=f"name the version: `pawl adopt {task} VERSION --reason …`; `pawl promote` "
            "releases one that the gate promoted",
        )
    if chosen == state.champion.version:
        new = state.champion
    else:
        page = get(store, task, chosen)
        new = page.champion
        released = any(entry.new == new for entry in state.releases)
        if not released and page not in judged_versions(store, task):
            raise not_judged_error(page)
    last = ledger.written[-1].number if ledger.written else 0
    details = {
        "accepted": sorted({number for number, _ in problems if number <= last}),
        "after": last + 1,
        "lost": [[head.number, head.digest] for head in ledger.lost],
    }
    return _release(
        workspace, store, task, ledger, kind="adopt", new=new, who=who, why=why, details=details
    )


def _release(
    workspace: Workspace,
    store: Store,
    task: str,
    ledger: LedgerReading,
    *,
    kind: Kind,
    new: Champion,
    who: str,
    why: str,
    override: bool = False,
    details: dict[str, Any] | None = None,
) -> Entry:
    why = given_reason(why, of="release")
    state = ledger.state
    refuse_retired(state, task, new)
    # Verified before the entry: an adapter that cannot be served is never released.
    copy = local_copy(workspace, store, new, task=task)
    if kind in (*EARNED, "override"):
        refuse_other_base(workspace, task, copy)
    signed = sign_release(workspace, store, task, new, adapter=copy, state=state)
    if (page := listed_version(store, task, new)) is None:
        raise RegistryError(
            f"version {new.version} of '{task}' was deleted in MLflow, or is another adapter there "
            "now",
            rule="a champion is known by version and digest; the alias can only name a version",
            remedy="restore the tracking store from its backup, or release another version",
        )
    if kind in EARNED and (error := verdict_error(workspace, task, new, state)):
        if not override:
            raise error
        kind = "override"
    entry = append(
        store,
        task,
        kind=kind,
        expected=state.champion,
        new=new,
        who=who,
        why=why,
        evidence=signed.evidence,
        details={**(details or {}), "signature": signed.signature},
        run=page.run_id or None,
        seen=ledger.counting,
    )
    after, _ = project(store, task, release=entry)
    if after.counted(entry.op_id) is None:
        raise RegistryError(
            f"somebody else changed the champion of '{task}' first: entry {entry.number} is void",
            rule="a release counts only if the champion is still the one that it replaces",
            remedy=f"see `pawl history {task}`, then decide again",
        )
    return entry
