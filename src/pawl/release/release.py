"""Promote, roll back, adopt: what changes the champion, a ledger entry each."""

from __future__ import annotations

import uuid
from typing import Any

from pawl.core.records import Champion
from pawl.errors import RegistryError, UsageError
from pawl.ledger.alias import doubts, manual_move, missing, moved_by_hand, project, read_alias
from pawl.ledger.entries import EARNED, Entry, Kind, replay_entries
from pawl.ledger.hash_chain import odd_numbers
from pawl.ledger.ledger import append, entries
from pawl.release.local_copies import local_copy
from pawl.release.preconditions import (
    not_earned,
    not_listed,
    refuse_other_base,
    refuse_retired,
    unearned,
    was_champion,
)
from pawl.release.signing import sign_release
from pawl.store.client import Store
from pawl.store.version_tags import listed
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

    Without `override` only one that the gate promoted, and against the champion of today: a
    verdict of last month says nothing about a champion of last week.

    Raises:
        UsageError: no such version, it is champion already, or its verdict does not allow it.
        AdapterError: its bytes are not those that were judged; nothing changed.
        RegistryError: the store cannot be reached, or somebody else released in between.
    """
    chosen, written = get(store, task, version), _standing(store, task)
    state = replay_entries(written)
    if chosen.champion == state.champion:
        raise UsageError(
            f"version {version} is champion of '{task}' already",
            rule="promoting changes the champion",
            remedy=f"`pawl history {task}` lists when it became that",
        )
    allowed = chosen.verdict == "promote" and chosen.against == state.champion
    if not allowed and not override:
        raise not_earned(chosen, state)
    kind: Kind = "override"
    if allowed:
        kind = "promote" if state.champion.version is not None else "first"
    return _release(
        workspace,
        store,
        task,
        kind=kind,
        written=written,
        new=chosen.champion,
        who=who,
        why=why,
        override=override,
    )


def rollback(
    workspace: Workspace,
    store: Store,
    task: str,
    *,
    why: str,
    who: str,
    to: int | None = None,
) -> Entry:
    """Release again the champion before the present one, or the earlier champion `to`.

    Raises:
        UsageError: there is none before, or `to` never was champion.
        AdapterError: its bytes are not those that were judged; nothing changed.
        RegistryError: the store cannot be reached, or somebody else released in between.
    """
    written = _standing(store, task)
    state = replay_entries(written)
    target = state.previous_champion() if to is None else was_champion(state, task, to)
    if target is None:
        raise UsageError(
            f"task '{task}' has no champion before the present one",
            rule="a rollback releases again what was champion before",
            remedy=f"`pawl history {task}` lists the releases; `pawl promote {task} N` releases "
            "another version",
        )
    return _release(
        workspace, store, task, kind="rollback", written=written, new=target, who=who, why=why
    )


def adopt(
    workspace: Workspace,
    store: Store,
    task: str,
    *,
    why: str,
    who: str,
    version: int | None = None,
) -> Entry:
    """Make official what was changed by hand: the version that the alias was moved to.

    `version` None takes the one that the alias points at, or pointed at before it was set back.
    Where the ledger itself was altered, it names the champion from now on, be it the same.

    Raises:
        UsageError: nothing was changed by hand, or there is no such version.
        AdapterError: its bytes are not those that were judged; nothing changed.
        RegistryError: the store cannot be reached, or somebody else released in between.
    """
    alias, written = read_alias(store, task), entries(store, task, whole=True)
    state = replay_entries(written)
    strayed, doubtful = manual_move(alias, state), doubts(written, state, alias)
    by_hand = strayed.version if strayed else None
    if moved_by_hand(alias, state):
        by_hand = alias.version
    chosen = by_hand if version is None else version
    if chosen is None or (chosen == state.champion.version and not doubtful):
        raise UsageError(
            f"nothing of '{task}' was changed by hand"
            if chosen is None
            else f"version {chosen} is champion of '{task}' already",
            rule="adopting makes a change official that was made by hand in MLflow",
            remedy=f"name the version: `pawl adopt {task} VERSION --reason …`; `pawl promote` "
            "releases one that the gate promoted",
        )
    new = state.champion if chosen == state.champion.version else get(store, task, chosen).champion
    last = written[-1].number if written else 0
    details = {"accepted": list(odd_numbers(written)), "after": last + 1}
    return _release(
        workspace,
        store,
        task,
        kind="adopt",
        written=written,
        new=new,
        who=who,
        why=why,
        details=details,
    )


def _release(
    workspace: Workspace,
    store: Store,
    task: str,
    *,
    kind: Kind,
    written: tuple[Entry, ...],
    new: Champion,
    who: str,
    why: str,
    override: bool = False,
    details: dict[str, Any] | None = None,
) -> Entry:
    if not why.strip():
        raise UsageError(
            "no reason was given", rule="every release says why", remedy="add --reason '…'"
        )
    state = replay_entries(written)
    refuse_retired(state, task, new)
    # Verified before the entry: an adapter that cannot be served is never released.
    copy = local_copy(workspace, store, new, task=task)
    if kind in (*EARNED, "override"):
        refuse_other_base(workspace, task, copy)
    signed = sign_release(workspace, store, task, new, adapter=copy, state=state)
    if (page := listed(store, task, new)) is None:
        raise not_listed(task, new)
    if kind in EARNED and (refused := unearned(workspace, task, new, state)):
        if not override:
            raise refused
        kind = "override"
    entry = append(
        store,
        task,
        op_id=f"{kind}:{uuid.uuid4().hex}",
        kind=kind,
        expected=state.champion,
        new=new,
        who=who,
        why=why.strip(),
        evidence=signed.evidence,
        details={**(details or {}), "signature": signed.signature},
        run=page.run_id or None,
        seen=written,
    )
    after, _ = project(store, task, written=entry)
    if after.counted(entry.op_id) is None:
        raise RegistryError(
            f"somebody else changed the champion of '{task}' first: entry {entry.number} is void",
            rule="a release counts only if the champion is still the one that it replaces",
            remedy=f"see `pawl history {task}`, then decide again",
        )
    return entry


def _standing(store: Store, task: str) -> tuple[Entry, ...]:
    """The ledger, where the release that the champion stands on is still in it."""
    # The alias first: what it was set from was in the ledger by then.
    alias, written = read_alias(store, task), entries(store, task)
    if missing(written, alias):
        raise RegistryError(
            f"the release that the champion of '{task}' stands on is gone from the ledger",
            rule="a release replaces the champion that the ledger comes to",
            remedy="restore the tracking store from its backup; where there is no time for that, "
            f"`pawl adopt {task} VERSION --reason …` names the champion",
        )
    return written
