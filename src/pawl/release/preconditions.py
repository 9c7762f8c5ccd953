"""What must hold before a version is released."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pawl.core.files import digest_file, digest_files
from pawl.core.records import AdapterManifest, BaseInfo, Champion, Verdict, read_record
from pawl.errors import DataError, RegistryError, UsageError
from pawl.ledger.entries import State
from pawl.model.adapter import read_adapter
from pawl.release.signing import EVIDENCE, release_folder
from pawl.store.versions import AdapterVersion
from pawl.workspace.paths import Workspace


def refuse_other_base(workspace: Workspace, task: str, adapter: Path) -> None:
    """Refuse (`AdapterError`) an adapter of another base than the task's last cycle used.

    Hashing the base itself, gigabytes, would take longer than a release may. A rollback skips this:
    in an emergency the base may be on its way back, too.
    """
    record = workspace.files(task).base
    if record.is_file():
        read_adapter(adapter, base=read_record(record, BaseInfo).digest)


def verdict_error(
    workspace: Workspace, task: str, new: Champion, state: State
) -> UsageError | None:
    """The error to raise where the signed verdict does not allow a promotion, None where it does.

    A version's page in MLflow is easily edited; the verdict is the file that was signed.
    """
    verdict = read_record(release_folder(workspace, task, new) / EVIDENCE, Verdict)
    promotes = verdict.decision == "promote" and verdict.champion == state.champion
    if promotes and look_reserved(verdict, state):
        return None
    return UsageError(
        f"the stored verdict on version {new.version} is '{verdict.decision}' against "
        + verdict.champion.label("no champion"),
        rule="the gate promotes by a verdict over the present champion, with a reserved look; the "
        "version's page in MLflow does not count",
        remedy="add --override: the record then shows that the gate did not decide it",
    )


def refuse_retired(state: State, task: str, new: Champion) -> None:
    """Refuse (`UsageError`) a version that was retired."""
    if (gone := state.retirement(new)) is not None:
        raise UsageError(
            f"version {new.version} of '{task}' was retired by {gone.who} on {gone.when[:10]}: "
            f"{gone.why}",
            rule="a retired version is never released again: its files may be gone",
            remedy=f"`pawl reproduce {task} {new.version}` trains it again; `pawl history` lists "
            "what may be rolled back to",
        )


def earlier_champion(state: State, task: str, version: int) -> Champion:
    """The earlier champion of that version number; `UsageError` for the present one or none."""
    if state.champion.version == version:
        raise UsageError(
            f"version {version} is champion of '{task}' already",
            rule="a rollback changes the champion",
            remedy=f"`pawl history {task}` lists the versions before",
        )
    earlier = {e.new.version: e.new for e in state.releases if e.new is not None}
    if version not in earlier:
        champions = ", ".join(map(str, sorted(v for v in earlier if v is not None)))
        raise UsageError(
            f"version {version} of '{task}' never was champion",
            rule="a rollback releases an earlier champion again",
            remedy=f"champions so far: {champions or 'none'}; `pawl promote` releases another one",
        )
    return earlier[version]


def not_judged_error(chosen: AdapterVersion) -> UsageError:
    """The error for a version whose page no trusted machine has signed as it is."""
    signed = "is not what its signature was made over" if chosen.signature else "is not signed"
    return UsageError(
        f"the judgement on version {chosen.version} of '{chosen.task}' {signed}",
        rule="the machine that judges an adapter signs adapter, verdict and look; the version's "
        "page in MLflow does not count",
        remedy=f"judge it again: `pawl run {chosen.task} --force`. A version that Pawl 0.1 judged "
        f"is promoted with --override; `pawl verify {chosen.task}` lists the doubtful ones",
    )


def not_promoted_error(chosen: AdapterVersion, state: State) -> UsageError:
    """The error for a version that the gate did not promote over the present champion."""
    against, now = chosen.against.label("no champion"), state.champion.label("no champion")
    if chosen.verdict != "promote":
        found = f"the gate's verdict on version {chosen.version} is '{chosen.verdict}'"
    else:
        found = f"version {chosen.version} was judged against {against}; champion now is {now}"
    remedy = "add --override: the record then shows that the gate did not decide it"
    if any(entry.new == chosen.champion for entry in state.releases):
        back = f"`pawl rollback {chosen.task} --to {chosen.version}`"
        remedy = f"it was champion before: {back} releases it again"
    return UsageError(
        found,
        rule="only a version that the gate promoted over the present champion is released",
        remedy=remedy,
    )


def refuse_mismatch(verdict: Verdict, manifest: AdapterManifest) -> None:
    """Refuse (`DataError`) a verdict on another adapter."""
    if verdict.candidate != manifest.digest:
        raise DataError(
            f"the verdict is about adapter {(verdict.candidate or 'none')[:12]}",
            rule=f"it must be about the one in build/, which is {manifest.digest[:12]}",
            remedy="run the cycle again: `pawl run TASK --force`",
        )


def refuse_other_files(judged: Mapping[Path, Path]) -> None:
    """Refuse (`RegistryError`) stored files that are not those that were judged.

    `judged` are local files or folders, by the copies that the store returned of them.
    """
    other: list[str] = []
    for copy, original in judged.items():
        one, two = _digests(copy), _digests(original)
        other += sorted(name for name in one | two if one.get(name) != two.get(name))
    if other:
        raise RegistryError(
            f"the tracking store returns another {', '.join(other)} than was judged here",
            rule="what is released is what was judged; the store is a place to keep it",
            remedy="somebody else writes to the store: see who, then run `pawl resume`",
        )


def refuse_unreserved_look(verdict: Verdict, state: State) -> None:
    """Refuse (`DataError`) a promotion without a look reserved in the ledger, at its level."""
    if verdict.decision == "promote" and not look_reserved(verdict, state):
        raise DataError(
            "the verdict promotes by a look that the ledger does not have",
            rule="gate rows are scored only after a look was reserved in the ledger, and judged "
            "at its level",
            remedy="run the cycle with `pawl run TASK`; look.json is not written by hand",
        )


def look_reserved(verdict: Verdict, state: State) -> bool:
    """Whether the ledger has the look that a verdict names, at its level."""
    look = verdict.look
    reserved = {
        (e.details["question"], float(e.details["level"]), int(e.details["since"]))
        for looks in state.looks.values()
        for e in looks
    }
    return look is not None and (look.question, look.level, look.since) in reserved


def _digests(path: Path) -> dict[str, str]:
    """sha256 of a file, or of a folder's files, by name."""
    if path.is_dir():
        return digest_files(path, [file.name for file in path.iterdir()])
    return {path.name: digest_file(path)}


def stale_since(verdict: Verdict, state: State) -> str | None:
    """Why a verdict cannot be applied, None if its champion was not replaced since."""
    if verdict.champion == state.champion:
        return None
    last = state.releases[-1] if state.releases else None
    by = f" ({last.kind} by {last.who}: {last.why})" if last else ""
    return (
        f"while this candidate was judged against {verdict.champion.label('no champion')}, "
        f"{state.champion.label('no champion')} became champion{by}: the verdict is stale and is "
        "not applied"
    )
