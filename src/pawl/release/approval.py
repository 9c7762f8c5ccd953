"""Releases that persons approve first, where the task's gate asks for it (`gate.approval`).

A passing candidate is registered and waits. Each approval is a signed entry of the ledger; when
there are enough, the version is released as one that the gate promoted: over the champion that it
was judged against, or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pawl.config.judging import Gate
from pawl.core.records import Champion
from pawl.errors import RegistryError, UsageError
from pawl.ledger.entries import Entry, State, retired_champion
from pawl.ledger.judgements import is_judged
from pawl.ledger.keys import fingerprint, private_key, public_pem, signing_key
from pawl.ledger.ledger import append, given_reason
from pawl.ledger.state import read_state, undoubted_ledger
from pawl.release.preconditions import not_judged_error, not_promoted_error, refuse_retired
from pawl.store.client import Store
from pawl.store.versions import AdapterVersion, get, versions
from pawl.workspace.paths import Workspace


@dataclass(frozen=True)
class Awaited:
    """What a version waits for: `needed` approvals, of which it has some, until `until` (UTC)."""

    version: int
    approved: tuple[str, ...]
    needed: int
    until: datetime

    @property
    def enough(self) -> bool:
        return len(self.approved) >= self.needed

    @property
    def text(self) -> str:
        """The wait as a sentence."""
        by = f" (so far: {', '.join(self.approved)})" if self.approved else ""
        return (
            f"version {self.version} passed the gate and waits for {self.needed} "
            f"approval{'s' * (self.needed > 1)}{by}, until {self.until:%Y-%m-%d %H:%M} UTC"
        )


def approve(
    workspace: Workspace, store: Store, task: str, version: int, *, why: str, who: str
) -> tuple[Entry, Awaited]:
    """Approve a waiting version by a signed ledger entry; returns it and what is left to wait for.

    The caller releases where that is nothing.

    Raises:
        UsageError: no such version, or it waits for none (any more); the same person or key has
            approved it; or there is no reason.
        RegistryError: the ledger is in doubt, or somebody else released first.
    """
    chosen, ledger = get(store, task, version), undoubted_ledger(store, task, whole=False)
    why = given_reason(why, of="approval")
    refuse_unapprovable(chosen, ledger.state)
    if not is_judged(store, chosen):
        raise not_judged_error(chosen)
    awaited = awaits(workspace, ledger.state, chosen)
    if awaited is None:
        raise UsageError(
            f"version {version} of '{task}' waits for no approval",
            rule="the gate asks for approvals where it says `approval: manual`",
            remedy=f"`pawl promote {task} {version} --reason …` releases what the gate promoted",
        )
    if awaited.until < datetime.now(UTC):
        raise expired_error(task, awaited)
    named = _approvers(ledger.state, chosen.champion)
    own = fingerprint(public_pem(private_key(signing_key(workspace))))
    if not awaited.enough and (own in named or who in named.values()):
        raise UsageError(
            f"{who!r}, or this machine's key, has approved version {version} already",
            rule=f"{awaited.needed} persons approve, each with a name and a key of their own",
            remedy="let another person approve on their machine",
        )
    entry = append(
        store,
        task,
        kind="approve",
        expected=ledger.state.champion,
        who=who,
        why=why,
        # Once for each time that the version's champion is there.
        op_id=f"approve:{version}:{chosen.digest}:{_last_release(ledger.state)}:{who}",
        details={"version": version, "digest": chosen.digest, "run": chosen.run_id},
        run=chosen.run_id,
        seen=ledger.counting,
    )
    state = read_state(store, task)
    if all(one.op_id != entry.op_id for one in state.approvals):
        raise RegistryError(
            f"somebody else changed the champion of '{task}' first: entry {entry.number} is void",
            rule="an approval counts while the champion is the one that it was judged against",
            remedy=f"see `pawl history {task}`, then decide again",
        )
    return entry, awaits(workspace, state, chosen) or awaited


def awaits(workspace: Workspace, state: State, version: AdapterVersion) -> Awaited | None:
    """What a version that passed the gate waits for; None where its gate asks for no approval.

    What was asked when it was judged counts, and what `params.yaml` asks now, whichever is more.
    """
    policies = [workspace.task(version.task).gate, _judged_by(version)]
    asking = [gate for gate in policies if gate.approval == "manual"]
    if not asking or version.verdict != "promote":
        return None
    needed = max(gate.approvals for gate in asking)
    hours = min(gate.approval_hours for gate in asking)
    until = datetime.fromisoformat(version.when) + timedelta(hours=hours)
    names = tuple(_approvers(state, version.champion).values())
    return Awaited(version.version, names, needed, until)


def waiting(workspace: Workspace, store: Store, task: str, version: int) -> Awaited | None:
    """What a version waits for that persons may approve now, None if nobody may."""
    state = read_state(store, task)
    chosen = next((one for one in versions(store, task) if one.version == version), None)
    if chosen is None or chosen.against != state.champion or chosen.stale:
        return None
    if state.retirement(chosen.champion) or not is_judged(store, chosen):
        return None
    awaited = awaits(workspace, state, chosen)
    return awaited if awaited and awaited.until > datetime.now(UTC) else None


def refuse_unapproved(workspace: Workspace, state: State, version: AdapterVersion) -> None:
    """Refuse (`UsageError`) to release a version that persons have yet to approve, or too late."""
    awaited = awaits(workspace, state, version)
    if awaited is None or awaited.enough:
        return
    if awaited.until < datetime.now(UTC):
        raise expired_error(version.task, awaited)
    raise UsageError(
        awaited.text,
        rule="the task's gate says `approval: manual`",
        remedy=f"`pawl approve {version.task} {version.version} --reason …`, each person on a "
        "machine with their key; in an emergency --override, which stays marked",
    )


def refuse_unapprovable(chosen: AdapterVersion, state: State) -> None:
    """Refuse (`UsageError`) what no approval can release: rejected, stale, retired or released."""
    if chosen.champion == state.champion:
        raise UsageError(
            f"version {chosen.version} is champion of '{chosen.task}' already",
            rule="an approval is of a candidate",
            remedy=f"`pawl history {chosen.task}` lists when it became that",
        )
    if chosen.verdict != "promote" or chosen.against != state.champion:
        raise not_promoted_error(chosen, state)
    refuse_retired(state, chosen.task, chosen.champion)


def expired_error(task: str, awaited: Awaited) -> UsageError:
    """The error for a version whose time to be approved is over: it is not promoted."""
    return UsageError(
        f"the time to approve version {awaited.version} ended on "
        f"{awaited.until:%Y-%m-%d %H:%M} UTC",
        rule="what nobody approves in time is not promoted (`gate.approval_hours`)",
        remedy="new data, or another `train.seed`, make a candidate that is judged anew; or `pawl "
        f"promote {task} {awaited.version} --override --reason …`, which stays marked",
    )


def _approvers(state: State, version: Champion) -> dict[str, str]:
    """Who approved a version over the present champion, by key: each name once, each key once."""
    names: dict[str, str] = {}
    since = _last_release(state)
    for entry in state.approvals:
        key = entry.signature.key if entry.signature else ""
        of_now = entry.number > since and retired_champion(entry) == version
        if of_now and key not in names and entry.who not in names.values():
            names[key] = entry.who
    return names


def _last_release(state: State) -> int:
    return state.releases[-1].number if state.releases else 0


def _judged_by(version: AdapterVersion) -> Gate:
    """The part of the policy at its judgement that says who approves; signed with it.

    Raises:
        UsageError: a page that nobody has signed says something else there.
    """
    keys = ("approval", "approvals", "approval_hours")
    try:
        said = version.params.get("gate", {})
        return Gate(**{key: said[key] for key in keys if key in said})
    except (AttributeError, TypeError, ValueError) as error:
        raise not_judged_error(version) from error
