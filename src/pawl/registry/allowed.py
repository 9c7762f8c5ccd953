"""What must hold before a version is released: who may be champion, and on what word."""

from __future__ import annotations

from pathlib import Path

from pawl.adapter import read_adapter
from pawl.errors import RegistryError, UsageError
from pawl.records import BaseInfo, Champion, Verdict, read_record
from pawl.registry.fold import State
from pawl.registry.judged import paid
from pawl.registry.signing import EVIDENCE, kept_release
from pawl.registry.versions import AdapterVersion
from pawl.workspace import Workspace


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
    verdict = read_record(kept_release(workspace, task, new) / EVIDENCE, Verdict)
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
