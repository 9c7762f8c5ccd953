"""Promote and roll back: the two irreversible acts, a ledger entry each."""

from __future__ import annotations

import uuid

from pawl.errors import RegistryError, UsageError
from pawl.records import Champion
from pawl.registry.copies import local_copy
from pawl.registry.ledger import Entry, Kind, State, append
from pawl.registry.snapshot import read_state, repair_alias
from pawl.registry.store import Store
from pawl.registry.versions import AdapterVersion, get
from pawl.workspace import Workspace


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
    chosen, state = get(store, task, version), read_state(store, task)
    if chosen.champion == state.champion:
        raise UsageError(
            f"version {version} is champion of '{task}' already",
            rule="promoting changes the champion",
            remedy=f"`pawl history {task}` lists when it became that",
        )
    allowed = chosen.verdict == "promote" and chosen.against == state.champion.version
    if not allowed and not override:
        raise _not_earned(chosen, state)
    kind: Kind = "override"
    if allowed:
        kind = "promote" if state.champion.version is not None else "first"
    return _release(
        workspace, store, task, kind=kind, state=state, new=chosen.champion, who=who, why=why
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
    state = read_state(store, task)
    target = state.before() if to is None else _was_champion(state, task, to)
    if target is None:
        raise UsageError(
            f"task '{task}' has no champion before the present one",
            rule="a rollback releases again what was champion before",
            remedy=f"`pawl history {task}` lists the releases; `pawl promote {task} N` releases "
            "another version",
        )
    return _release(
        workspace, store, task, kind="rollback", state=state, new=target, who=who, why=why
    )


def project(store: Store, task: str) -> str | None:
    """Point the alias at the ledger's champion; the note of what it said, None if it was right.

    Raises:
        RegistryError: the store cannot be reached; what the ledger says stands all the same.
    """
    champion = read_state(store, task).champion
    try:
        note = repair_alias(store, task, champion)
        # Somebody may have released while the alias moved; whoever moved it reads the ledger once
        # more, so that the alias of an earlier release does not stay.
        while note and (now := read_state(store, task).champion) != champion:
            champion = now
            repair_alias(store, task, champion)
    except RegistryError as error:
        raise RegistryError(
            f"the ledger stands, but the alias could not follow it: {error.found}",
            rule=f"the champion of '{task}' is what the ledger says, and the alias projects it",
            remedy=f"once the store answers again: `pawl status {task}` sets the alias right",
        ) from error
    return note


def _release(
    workspace: Workspace,
    store: Store,
    task: str,
    *,
    kind: Kind,
    state: State,
    new: Champion,
    who: str,
    why: str,
) -> Entry:
    if not why.strip():
        raise UsageError(
            "no reason was given", rule="every release says why", remedy="add --reason '…'"
        )
    # Verified before the entry: an adapter that cannot be served is never released.
    local_copy(workspace, store, new, task=task)
    entry = append(
        store,
        task,
        op_id=f"{kind}:{uuid.uuid4().hex}",
        kind=kind,
        expected=state.champion,
        new=new,
        who=who,
        why=why.strip(),
    )
    counted = read_state(store, task).counted(entry.op_id)
    project(store, task)
    if counted is None:
        raise RegistryError(
            f"somebody else changed the champion of '{task}' first: entry {entry.number} is void",
            rule="a release counts only if the champion is still the one that it replaces",
            remedy=f"see `pawl history {task}`, then decide again",
        )
    return entry


def _was_champion(state: State, task: str, version: int) -> Champion:
    if state.champion.version == version:
        raise UsageError(
            f"version {version} is champion of '{task}' already",
            rule="a rollback changes the champion",
            remedy=f"`pawl history {task}` lists the versions before",
        )
    earlier = {e.new.version: e.new for e in state.releases if e.new is not None}
    if version not in earlier:
        known = ", ".join(str(v) for v in sorted(v for v in earlier if v is not None))
        raise UsageError(
            f"version {version} of '{task}' never was champion",
            rule="a rollback releases again what was champion before",
            remedy=f"champions so far: {known or 'none'}; `pawl promote` releases another version",
        )
    return earlier[version]


def _not_earned(chosen: AdapterVersion, state: State) -> UsageError:
    against, now = (
        "no champion" if v is None else f"version {v}"
        for v in (chosen.against, state.champion.version)
    )
    if chosen.verdict != "promote":
        found = f"the gate's verdict on version {chosen.version} is '{chosen.verdict}'"
    else:
        found = f"version {chosen.version} was judged against {against}; champion now is {now}"
    remedy = "add --override: the record then shows that the gate did not say so"
    if any(entry.new == chosen.champion for entry in state.releases):
        back = f"`pawl rollback {chosen.task} --to {chosen.version}`"
        remedy = f"it was champion before: {back} releases it again"
    return UsageError(
        found,
        rule="only a version that the gate promoted over the present champion is released",
        remedy=remedy,
    )
