"""What must hold before a version is released: who may be champion, and on what word."""

from __future__ import annotations

from pathlib import Path

from pawl.core.records import (
    AdapterManifest,
    BaseInfo,
    Champion,
    Verdict,
    read_record,
)
from pawl.errors import DataError, RegistryError, UsageError
from pawl.ledger.entries import State
from pawl.model.adapter import read_adapter
from pawl.release.signing import EVIDENCE, release_folder
from pawl.store.versions import AdapterVersion
from pawl.workspace.paths import Workspace


def refuse_other_base(workspace: Workspace, task: str, adapter: Path) -> None:
    """The adapter must be of the base that the task stood on last.

    To hash the base itself, gigabytes, would take longer than a release may. A rollback does not
    ask: in an emergency the base may be on its way back, too.
    """
    record = workspace.files(task).base
    if record.is_file():
        read_adapter(adapter, base=read_record(record, BaseInfo).digest)


def unearned(workspace: Workspace, task: str, new: Champion, state: State) -> UsageError | None:
    """What to say where the signed verdict does not bear a promotion out, None where it does.

    A version's page in MLflow is easily edited; the verdict is the file that was judged and signed.
    """
    verdict = read_record(release_folder(workspace, task, new) / EVIDENCE, Verdict)
    if (
        verdict.decision == "promote"
        and verdict.champion == state.champion
        and paid(verdict, state)
    ):
        return None
    against = verdict.champion.version
    return UsageError(
        f"the stored verdict on version {new.version} is '{verdict.decision}' against "
        + ("no champion" if against is None else f"version {against}"),
        rule="the gate promotes by a verdict over the present champion, with a look that was paid "
        "for; what the version's page in MLflow says does not count",
        remedy="add --override: the record then shows that the gate did not say so",
    )


def not_listed(task: str, new: Champion) -> RegistryError:
    """What to say of a version that MLflow does not list as the adapter that it was."""
    return RegistryError(
        f"version {new.version} of '{task}' was deleted in MLflow, or is another adapter there now",
        rule="a champion is known by version and digest; the alias can only name a version",
        remedy="restore the tracking store from its backup, or release another version",
    )


def refuse_retired(state: State, task: str, new: Champion) -> None:
    if (gone := state.retirement(new)) is not None:
        raise UsageError(
            f"version {new.version} of '{task}' was retired by {gone.who} on {gone.when[:10]}: "
            f"{gone.why}",
            rule="a retired version is never released again: its files may be gone",
            remedy=f"`pawl reproduce {task} {new.version}` trains it again; `pawl history` lists "
            "what may be rolled back to",
        )


def was_champion(state: State, task: str, version: int) -> Champion:
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


def not_earned(chosen: AdapterVersion, state: State) -> UsageError:
    against, now = (
        "no champion" if v is None else f"version {v}"
        for v in (chosen.against.version, state.champion.version)
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


def refuse_mismatch(verdict: Verdict, manifest: AdapterManifest) -> None:
    """The verdict must be about this adapter."""
    if verdict.candidate != manifest.digest:
        raise DataError(
            f"the verdict is about adapter {(verdict.candidate or 'none')[:12]}",
            rule=f"it must be about the one in build/, which is {manifest.digest[:12]}",
            remedy="run the cycle again: `pawl run TASK --force`",
        )


def refuse_unpaid(verdict: Verdict, state: State) -> None:
    """A promotion must stand on a look that was paid for, at the level that was paid for."""
    if verdict.decision == "promote" and not paid(verdict, state):
        raise DataError(
            "the verdict promotes on a look that the ledger does not have",
            rule="gate rows are scored only after a look was reserved in the ledger, and judged "
            "at its level",
            remedy="run the cycle with `pawl run TASK`; look.json is not written by hand",
        )


def paid(verdict: Verdict, state: State) -> bool:
    """Whether the ledger has the look that a verdict stands on, at its level."""
    look = verdict.look
    known = {
        (e.details["question"], float(e.details["level"]), int(e.details["since"]))
        for looks in state.looks.values()
        for e in looks
    }
    return look is not None and (look.question, look.level, look.since) in known


def stale_since(verdict: Verdict, state: State) -> str | None:
    """Why a verdict cannot be applied: its champion was replaced. None: it still is champion."""
    if verdict.champion == state.champion:
        return None
    last = state.releases[-1] if state.releases else None
    by = f" ({last.kind} by {last.who}: {last.why})" if last else ""
    return (
        f"while this candidate was judged against {verdict.champion.label('no champion')}, "
        f"{state.champion.label('no champion')} became champion{by}: the verdict is stale and is not applied"
    )
