"""`pawl verify`: what a version and the ledger say, held against the bytes, afresh."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pawl.core.files import digest_file
from pawl.core.records import Champion, Verdict, read_record
from pawl.errors import PawlError, UsageError
from pawl.ledger.alias import Alias, doubts, manual_move, moved_by_hand, read_alias
from pawl.ledger.entries import EARNED, Entry, State, replay_entries
from pawl.ledger.ledger import entries
from pawl.model.adapter import read_adapter
from pawl.release.local_copies import copies_of
from pawl.release.signing import EVIDENCE, fetch_release, flaw, signature_name
from pawl.store.client import Store
from pawl.store.versions import AdapterVersion, fetch, get
from pawl.workspace.paths import Workspace


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what was found, and what to do where it is not well."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


def verify(
    workspace: Workspace, store: Store, task: str, version: int | None = None
) -> tuple[Check, ...]:
    """Check ledger, alias and one version (default: the champion) against the stored bytes.

    Files are downloaded anew, whatever lies on disk; the local copy is looked at beside them.

    Raises:
        UsageError: there is no such version, or no champion yet.
        RegistryError: the store cannot be reached.
    """
    alias, written = read_alias(store, task), entries(store, task, whole=True)
    state = replay_entries(written)
    checks = [check_ledger(task, written, state, alias), check_alias(task, state, alias)]
    chosen = _chosen(store, task, version, said=_said(state, version), doubtful=not checks[0].ok)
    if isinstance(chosen, Check):
        return (*checks, chosen)
    released = any(entry.new == chosen.champion for entry in state.releases)
    with tempfile.TemporaryDirectory(prefix="pawl-verify-") as scratch:
        folder = Path(scratch) / "adapter"
        checks.append(_adapter(store, chosen, folder))
        checks.append(_local(workspace, chosen))
        if released and checks[2].ok:
            checks += _release(workspace, store, chosen, state, folder=folder)
        elif not released:
            checks.append(Check("signature", True, "never released, so not signed"))
    return tuple(checks)


def check_ledger(task: str, written: Sequence[Entry], state: State, alias: Alias) -> Check:
    """No entry is missing or altered, and the champion is a version by number and digest. Pure."""
    found = doubts(written, state, alias)
    remedy = (
        "restore the tracking store from its backup; or name the champion yourself: "
        f"`pawl adopt {task} VERSION --reason …`"
    )
    says = f"{len(written)} entries, each names the one before it"
    return Check("ledger", not found, "; ".join(found) or says, remedy if found else "")


def check_alias(task: str, state: State, alias: Alias) -> Check:
    """The alias says what the ledger says, and nobody moved it since the last release. Pure."""
    strayed = manual_move(alias, state)
    if strayed is not None:
        return Check("alias", False, strayed.says(task, state), f"`pawl history {task}` says more")
    at = "nothing" if alias.version is None else f"version {alias.version}"
    if alias.version == state.champion.version:
        return Check("alias", True, f"`champion` points at {at}, as the ledger says")
    by = "was moved by hand" if moved_by_hand(alias, state) else "lags behind the ledger"
    return Check("alias", False, f"`champion` points at {at}: it {by}", f"`pawl status {task}`")


def _said(state: State, version: int | None) -> Champion | None:
    """Which adapter the ledger released under a number (None: the champion's), if any."""
    if version is None:
        return None if state.champion.version is None else state.champion
    named = (entry.new for entry in reversed(state.releases) if entry.new)
    return next((champion for champion in named if champion.version == version), None)


def _chosen(
    store: Store, task: str, version: int | None, *, said: Champion | None, doubtful: bool
) -> AdapterVersion | Check:
    """The version to look at; a failed check where MLflow does not have what the ledger released.

    Raises:
        UsageError: there is no such version, or no champion yet.
    """
    number = version if said is None else said.version
    if number is None:
        if doubtful:
            return Check("version", False, "there is no champion", f"`pawl history {task}`")
        raise UsageError(f"task '{task}' has no champion yet", remedy=f"run `pawl run {task}`")
    try:
        chosen = get(store, task, number)
    except UsageError:
        if said is None:
            raise
        found = f"version {number} was released and is gone from MLflow"
    else:
        if said in (None, chosen.champion):
            return chosen
        found = (
            f"version {number} is adapter {chosen.digest[:12]}; the ledger released "
            f"{(said.digest or 'none')[:12]}: the model was deleted and made anew"
        )
    remedy = "restore the tracking store from its backup; or `pawl rollback` to another version"
    return Check("version", False, found, remedy)


def _adapter(store: Store, chosen: AdapterVersion, folder: Path) -> Check:
    def look() -> str:
        found = fetch(store, chosen.task, chosen.version, into=folder)
        return f"version {chosen.version}, {found.digest[:12]}, on base {found.base.digest[:12]}"

    return _checked("adapter in the store", look)


def _local(workspace: Workspace, chosen: AdapterVersion) -> Check:
    name, folder = "local copy", copies_of(workspace, chosen.task) / str(chosen.version)
    if not folder.is_dir():
        return Check(name, True, "none here")
    check = _checked(name, lambda: f"{read_adapter(folder).digest[:12]}")
    if check.ok and check.found != chosen.digest[:12]:
        return Check(name, False, f"is adapter {check.found}", f"delete {folder}: it is fetched")
    return check


def _release(
    workspace: Workspace, store: Store, chosen: AdapterVersion, state: State, *, folder: Path
) -> list[Check]:
    champion, named = chosen.champion, state.signature(chosen.champion)
    if named is None:
        return [Check("signature", False, "released without one", f"`pawl history {chosen.task}`")]
    place = folder.parent / "release"
    fetched = _checked(
        "signature", lambda: _fetched(store, chosen.task, champion, named, into=place)
    )
    if not fetched.ok:
        return [fetched]
    why = flaw(workspace, folder, place / EVIDENCE, place / signature_name(named), named=named)
    says = f"{named[:12]} holds, with a key that pawl.pub trusts"
    other = "do not serve it; `pawl rollback` releases another version" if why else ""
    return [
        Check("signature", why is None, f"the version {why}" if why else says, other),
        _evidence(chosen, state, place / EVIDENCE),
    ]


def _fetched(store: Store, task: str, champion: Champion, named: str, *, into: Path) -> str:
    fetch_release(store, task, champion, named, into=into)
    return named


def _evidence(chosen: AdapterVersion, state: State, path: Path) -> Check:
    remedy = "restore the store's artifacts from their backup; `pawl replay` says what it comes to"
    releases = [entry for entry in state.releases if entry.new == chosen.champion]
    found, said = digest_file(path), {entry.evidence for entry in releases if entry.evidence}
    if said != {found}:
        names = ", ".join(sorted(digest[:12] for digest in said)) or "none"
        what = f"the stored verdict is {found[:12]}; the ledger names {names}"
        return Check("evidence", False, what, remedy)
    verdict = read_record(path, Verdict)
    for entry in releases:
        earned = verdict.decision == "promote" and verdict.champion == entry.expected
        if verdict.candidate != chosen.digest or (entry.kind in EARNED and not earned):
            what = (
                f"the verdict says '{verdict.decision}' of {(verdict.candidate or 'none')[:12]}; "
                f"ledger entry {entry.number} released {chosen.digest[:12]} on it ({entry.kind})"
            )
            return Check("evidence", False, what, "do not serve it; `pawl rollback` goes back")
    return Check("evidence", True, f"verdict {found[:12]}, as the ledger says")


def _checked(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except PawlError as error:
        return Check(name, False, error.found, error.remedy or "")
