"""A cycle whose candidate waits for persons to approve it: how it goes on in Prefect."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

from pawl.core.records import Champion, Cycle
from pawl.errors import UsageError
from pawl.ledger.entries import Entry
from pawl.ledger.state import read_state
from pawl.release.approval import Awaited, approve, waiting
from pawl.release.release import promote
from pawl.store.client import Store, open_store
from pawl.store.cycle_runs import cycle_of
from pawl.store.versions import get
from pawl.workspace.paths import Workspace
from pawl.workspace.prefect_runs import person_says, suspended_key

IN_PREFECT = " (in Prefect)"


def awaited_approval(workspace: Workspace, cycle: Cycle) -> Awaited | None:
    """What the candidate of a cycle waits for, None where for no person (any more)."""
    if cycle.verdict != "waiting" or cycle.candidate.version is None:
        return None
    awaited = waiting(workspace, open_store(workspace), cycle.task, cycle.candidate.version)
    return awaited if awaited and not awaited.enough else None


def approved(workspace: Workspace, cycle: Cycle) -> Cycle:
    """The cycle; where persons approve first, once they have, and this run is suspended until then.

    Raises:
        UsageError, RegistryError: as `approve_and_release`.
    """
    while awaited := awaited_approval(workspace, cycle):
        if (said := person_says(*suspension(awaited))) is None:
            break
        who, reason = said
        cycle = approve_cycle(workspace, cycle, awaited.version, who=who, reason=reason)
    return cycle


def suspension(awaited: Awaited) -> tuple[str, int]:
    """The key of a suspended run, which names the version, and its seconds until it expires."""
    left = (awaited.until - datetime.now(UTC)).total_seconds()
    # An approval by command in between changes no key, or what is typed on the page would be lost.
    typed = sum(who.endswith(IN_PREFECT) for who in awaited.approved)
    key = f"version-{awaited.version}-approval-{typed + 1}"
    return key, max(1, int(left))


def suspended_version(key: str) -> int | None:
    """The version that a key of `suspension` names."""
    words = key.split("-")
    number = words[1] if len(words) == 4 and words[0] == "version" else ""
    return int(number) if number.isdecimal() else None


def approved_cycle(workspace: Workspace, task: str) -> Cycle | None:
    """The cycle that this run was suspended for, None where it begins: data may be new by now."""
    key = suspended_key()
    version = suspended_version(key) if key else None
    return None if version is None else cycle_of_version(workspace, task, version)


def cycle_of_version(workspace: Workspace, task: str, version: int) -> Cycle:
    """The cycle that judged a version, as it stands now: it may have been released since."""
    store = open_store(workspace)
    cycle = cycle_of(store, get(store, task, version).run_id)
    return _now(workspace, store, cycle)


def approve_and_release(
    workspace: Workspace, store: Store, task: str, version: int, *, why: str, who: str
) -> tuple[Entry, Entry | Awaited]:
    """Approve a version; returns that entry, and the release's or what is left to wait for.

    Raises:
        UsageError, RegistryError: as `pawl.release.approval.approve`, and `promote`.
    """
    entry, now = approve(workspace, store, task, version, why=why, who=who)
    state = read_state(store, task)
    if state.champion.version == version:  # by who approved at the same moment
        return entry, state.releases[-1]
    if not now.enough:
        return entry, now
    said = f"{why} (approved by {', '.join(now.approved)})"
    return entry, promote(workspace, store, task, version, why=said, who=who)


def approve_cycle(
    workspace: Workspace, cycle: Cycle, version: int, *, who: str, reason: str
) -> Cycle:
    """Approve the candidate of a cycle, as typed on Prefect's page; the cycle as it stands then.

    Raises:
        UsageError, RegistryError: as `approve_and_release`.
    """
    store = open_store(workspace)
    by = given_name(who)
    approve_and_release(workspace, store, cycle.task, version, why=reason, who=by)
    return _now(workspace, store, cycle)


def given_name(who: str) -> str:
    """Who acts on Prefect's page, as the ledger names them; refused (`UsageError`) if nobody."""
    if who := who.strip():
        return f"{who}{IN_PREFECT}"
    raise UsageError(
        "nobody is named", rule="the ledger says who released", remedy="type your name in `who`"
    )


def _now(workspace: Workspace, store: Store, cycle: Cycle) -> Cycle:
    """A waiting cycle with the verdict of what became of its candidate."""
    state = read_state(store, cycle.task)
    if cycle.verdict != "waiting":
        return dataclasses.replace(cycle, champion=state.champion)
    candidate = Champion(cycle.candidate.version, cycle.candidate.digest)
    if any(entry.new == candidate for entry in state.releases):
        said = f"version {candidate.version} was approved and released"
        return dataclasses.replace(
            cycle, verdict="promote", champion=state.champion, reasons=(said, *cycle.reasons)
        )
    if awaited_approval(workspace, cycle) is None:
        said = (
            f"version {candidate.version} was not approved in time, was retired, or the champion "
            "has changed"
        )
        return dataclasses.replace(
            cycle, verdict="inconclusive", champion=state.champion, reasons=(said, *cycle.reasons)
        )
    return dataclasses.replace(cycle, champion=state.champion)
