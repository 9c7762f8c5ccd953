"""`pawl verify`: the ledger, the alias and a version, checked against the stored bytes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from pawl.core.files import digest_file
from pawl.core.records import Champion, Verdict, read_record
from pawl.core.records.commands import Check
from pawl.errors import PawlError, RegistryError, UsageError
from pawl.ledger.entries import EARNED, State
from pawl.ledger.judgements import judged_versions
from pawl.ledger.manual_changes import Alias, current_manual_move, moved_by_hand
from pawl.ledger.state import LedgerReading, doubt_remedy, read_ledger
from pawl.model.adapter import read_adapter
from pawl.release.local_copies import copies_folder
from pawl.release.signing import EVIDENCE, fetch_release, signature_name, signature_problem
from pawl.store.adapters import fetch_adapter
from pawl.store.client import Store
from pawl.store.versions import AdapterVersion, garbled_versions, get, versions
from pawl.workspace.paths import Workspace


def verify(
    workspace: Workspace, store: Store, task: str, version: int | None = None
) -> tuple[Check, ...]:
    """Check ledger, alias and one version (default: the champion) against the stored bytes.

    Files are downloaded again, whatever is on disk; the local copy is checked as well.

    Raises:
        RegistryError: the store cannot be read.
        UsageError: there is no such version, or no champion yet.
    """
    return tuple(each_check(workspace, store, task, version))


def each_check(
    workspace: Workspace, store: Store, task: str, version: int | None = None
) -> Iterator[Check]:
    """The checks of `verify`, each as soon as it is known: an adapter may be large, a store far."""
    ledger = read_ledger(store, task)
    state = ledger.state
    sound = check_ledger(store, task, ledger)
    yield sound
    yield check_alias(task, state, ledger.alias)
    yield _check_judgements(store, task)
    chosen = _find_version(store, task, version, state, ledger_ok=sound.ok)
    if isinstance(chosen, Check):
        yield chosen
        return
    was_released = any(entry.new == chosen.champion for entry in state.releases)
    with tempfile.TemporaryDirectory(prefix="pawl-verify-") as scratch:
        folder = Path(scratch) / "adapter"
        adapter = _check_adapter(store, chosen, folder)
        yield adapter
        yield _check_local_copy(workspace, chosen)
        if was_released and adapter.ok:
            yield from _check_release(workspace, store, chosen, state, folder=folder)
        elif not was_released:
            yield Check("signature", True, "never released, so not signed")


def check_ledger(store: Store, task: str, ledger: LedgerReading) -> Check:
    """Check that no ledger entry is missing, altered or written by somebody without a key."""
    if ledger.problems:
        remedy = doubt_remedy(store, task, ledger)
        return Check("ledger", False, "; ".join(ledger.doubts), remedy)
    signed = sum(1 for entry in ledger.written if entry.signature)
    vouched = len(ledger.written) - signed
    sound = f"{len(ledger.written)} entries, each names the one before it; {signed} signed"
    if signed and vouched:
        sound += f", {vouched} of before vouched for by a later one"
    return Check("ledger", True, sound)


def check_alias(task: str, state: State, alias: Alias) -> Check:
    """Check that the alias is at the champion and was not moved since the last release. Pure."""
    move = current_manual_move(alias, state)
    if move is not None:
        return Check("alias", False, move.message(task, state), f"`pawl history {task}` shows more")
    at = Champion(alias.version).label("nothing")
    if alias.version == state.champion.version:
        return Check("alias", True, f"`champion` points at {at}, as the ledger says")
    cause = "was moved by hand" if moved_by_hand(alias, state) else "lags behind the ledger"
    return Check("alias", False, f"`champion` points at {at}: it {cause}", f"`pawl status {task}`")


def _check_judgements(store: Store, task: str) -> Check:
    """Check that the page of every version says what the machine signed that judged it."""
    judged = {one.version for one in judged_versions(store, task)}
    pages = {one.version for one in versions(store, task)} | garbled_versions(store, task).keys()
    if doubtful := sorted(pages - judged):
        found = f"the pages of versions {', '.join(map(str, doubtful))} are not as they were signed"
        remedy = "they answer no cycle and are promoted only with --override; see who edited them"
        return Check("judgements", False, found, remedy)
    return Check("judgements", True, f"{len(judged)} versions, as they were signed")


def _find_version(
    store: Store, task: str, version: int | None, state: State, *, ledger_ok: bool
) -> AdapterVersion | Check:
    """The version to check; a failed check where MLflow lacks what the ledger released."""
    released: Champion | None = state.champion
    if version is not None or state.champion.version is None:
        champions = (entry.new for entry in reversed(state.releases) if entry.new)
        released = next((champion for champion in champions if champion.version == version), None)
    number = version if released is None else released.version
    if number is None:
        if not ledger_ok:
            return Check("version", False, "there is no champion", f"`pawl history {task}`")
        raise UsageError(f"task '{task}' has no champion yet", remedy=f"run `pawl run {task}`")
    try:
        chosen = get(store, task, number)
    except UsageError:
        if released is None:
            raise
        found = f"version {number} was released and is gone from MLflow"
    except RegistryError as garbled:
        return Check("version", False, garbled.found, garbled.remedy or "")
    else:
        if released in (None, chosen.champion):
            return chosen
        found = (
            f"version {number} is adapter {chosen.digest[:12]}; the ledger released "
            f"{(released.digest or 'none')[:12]}: the model was deleted and made anew"
        )
    remedy = "restore the tracking store from its backup; or `pawl rollback` to another version"
    return Check("version", False, found, remedy)


def _check_adapter(store: Store, chosen: AdapterVersion, folder: Path) -> Check:
    def fetch() -> str:
        adapter = fetch_adapter(store, chosen.task, chosen.version, into=folder)
        base = adapter.base.digest[:12]
        return f"version {chosen.version}, {adapter.digest[:12]}, on base {base}"

    return _check("adapter in the store", fetch)


def _check_local_copy(workspace: Workspace, chosen: AdapterVersion) -> Check:
    name, folder = "local copy", copies_folder(workspace, chosen.task) / str(chosen.version)
    if not folder.is_dir():
        return Check(name, True, "none here")
    check = _check(name, lambda: f"{read_adapter(folder).digest[:12]}")
    if check.ok and check.found != chosen.digest[:12]:
        return Check(name, False, f"is adapter {check.found}", f"delete {folder}: it is fetched")
    return check


def _check_release(
    workspace: Workspace, store: Store, chosen: AdapterVersion, state: State, *, folder: Path
) -> list[Check]:
    """Check the signature over the adapter in `folder`, and the signed verdict."""
    champion, named = chosen.champion, state.signature(chosen.champion)
    if named is None:
        return [Check("signature", False, "released without one", f"`pawl history {chosen.task}`")]
    release = folder.parent / "release"
    signature, evidence = release / signature_name(named), release / EVIDENCE

    def fetch() -> str:
        fetch_release(store, chosen.task, champion, named, into=release)
        return named

    fetched = _check("signature", fetch)
    if not fetched.ok:
        return [fetched]
    problem = signature_problem(workspace, folder, evidence, signature, named=named)
    valid = f"{named[:12]} holds, with a key that pawl.pub trusts"
    remedy = "do not serve it; `pawl rollback` releases another version" if problem else ""
    return [
        Check("signature", not problem, f"the version {problem}" if problem else valid, remedy),
        _check_evidence(chosen, state, evidence),
    ]


def _check_evidence(chosen: AdapterVersion, state: State, path: Path) -> Check:
    remedy = "restore the store's artifacts from their backup; `pawl replay` re-derives the verdict"
    releases = [entry for entry in state.releases if entry.new == chosen.champion]
    stored, named = digest_file(path), {entry.evidence for entry in releases if entry.evidence}
    if named != {stored}:
        names = ", ".join(sorted(digest[:12] for digest in named)) or "none"
        what = f"the stored verdict is {stored[:12]}; the ledger names {names}"
        return Check("evidence", False, what, remedy)
    verdict = read_record(path, Verdict)
    for entry in releases:
        earned = verdict.decision == "promote" and verdict.champion == entry.expected
        if verdict.candidate != chosen.digest or (entry.kind in EARNED and not earned):
            what = (
                f"the verdict is '{verdict.decision}' on {(verdict.candidate or 'none')[:12]}; "
                f"ledger entry {entry.number} released {chosen.digest[:12]} on it ({entry.kind})"
            )
            return Check("evidence", False, what, "do not serve it; `pawl rollback` goes back")
    return Check("evidence", True, f"verdict {stored[:12]}, as the ledger says")


def _check(name: str, look: Callable[[], str]) -> Check:
    """A check that fails where `look` raises; its text is what was found."""
    try:
        return Check(name, True, look())
    except PawlError as error:
        return Check(name, False, error.found, error.remedy or "")
