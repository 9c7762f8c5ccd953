"""Signed releases: OpenSSF Model Signing over an adapter and the verdict that it was released on.

What is signed is a folder of `adapter/` and `verdict.json`. The signature lies on the version's
MLflow run (`release/<first digits of its sha256>.sig`) and, with the verdict, beside the local
copy; the ledger entry of the release names it by its sha256. So none can be swapped or taken away.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pawl.core.files import digest_file, whole_folder, write_text
from pawl.core.records import Champion, Verdict, read_record
from pawl.errors import AdapterError, RegistryError
from pawl.ledger.entries import State
from pawl.release.keys import TRUSTED, fingerprint, signing_key, trusted_keys
from pawl.store.client import Store, store_errors
from pawl.store.runs import fetch_evidence
from pawl.store.version_tags import run_of, verdict_of
from pawl.workspace.paths import Workspace

EVIDENCE, FOLDER = "verdict.json", "release"


@dataclass(frozen=True)
class Signed:
    """A release's signature and the verdict under it, both by sha256."""

    signature: str
    evidence: str


def sign_release(
    workspace: Workspace,
    store: Store,
    task: str,
    champion: Champion,
    *,
    adapter: Path,
    state: State,
) -> Signed:
    """Sign a version that is about to be released; one that was released before is signed already.

    Args:
        adapter: its verified folder.
        state: the ledger, folded.

    Raises:
        UsageError: this machine has no trusted key.
        AdapterError: it was signed before, and that signature does not hold.
        RegistryError: the store cannot be reached, or the version's verdict is gone or is not the
            one that it was registered with.
    """
    if (named := state.signature(champion)) is not None:
        check_release(workspace, store, task, champion, adapter=adapter, state=state)
        place = release_folder(workspace, task, champion)
        return Signed(named, digest_file(place / EVIDENCE))
    from model_signing import signing

    key, run = signing_key(workspace), run_of(store, task, champion.version or 0) or ""
    with tempfile.TemporaryDirectory(prefix="pawl-sign-") as scratch:
        fetch_evidence(store, run, (EVIDENCE,), into=Path(scratch))
        evidence = digest_file(Path(scratch) / EVIDENCE)
        _refuse_other_verdict(store, task, champion, found=evidence)
        _refuse_other_adapter(task, champion, Path(scratch) / EVIDENCE)
        with _as_signed(adapter, Path(scratch) / EVIDENCE) as folder:
            signing.Config().use_elliptic_key_signer(private_key=key).sign(
                folder, Path(scratch) / "sig"
            )
        digest = digest_file(Path(scratch) / "sig")
        signature = (Path(scratch) / "sig").rename(Path(scratch) / signature_name(digest))
        with store_errors(store.uri):
            store.client.log_artifact(run, str(signature), FOLDER)
        _keep(workspace, task, champion, signature, Path(scratch) / EVIDENCE)
        return Signed(digest, evidence)


def check_release(
    workspace: Workspace,
    store: Store,
    task: str,
    champion: Champion,
    *,
    adapter: Path,
    state: State,
) -> None:
    """Refuse a released version whose signature is not there, was swapped, or does not hold.

    Nor may the verdict under it be another than the one that its ledger entry names.

    Where the workspace has no keys and the ledger names no signature, nothing was ever signed.

    Raises:
        AdapterError: as said.
        RegistryError: the signature is not on disk and cannot be fetched.
    """
    named = state.signature(champion)
    if named is None:
        if trusted_keys(workspace):
            raise _refused(task, champion, "is not signed")
        return
    place = release_folder(workspace, task, champion)
    if not _is(place / signature_name(named), named):
        fetch_release(store, task, champion, named, into=place)
    if why := flaw(
        workspace, adapter, place / EVIDENCE, place / signature_name(named), named=named
    ):
        raise _refused(task, champion, why)
    found, said = digest_file(place / EVIDENCE), state.evidence(champion)
    if found != said:
        raise _refused(
            task,
            champion,
            f"is signed over another verdict, {found[:12]}, than its ledger entry names: "
            f"{said[:12] if said else 'none'}",
        )


def flaw(
    workspace: Workspace, adapter: Path, evidence: Path, signature: Path, *, named: str
) -> str | None:
    """What is wrong with a signature over these files, None if it holds.

    Args:
        named: the sha256 of the signature that the ledger names.
    """
    if not _is(signature, named):
        return f"has another signature than the one in the ledger, {named[:12]}"
    keys = trusted_keys(workspace)
    if not keys:
        return f"is signed, but {TRUSTED}, which says whom to trust, is gone"
    with _as_signed(adapter, evidence) as folder:
        said = [_says(folder, signature, key) for key in keys]
    if None in said:
        return None
    tried = ", ".join(fingerprint(key)[:12] for key in keys)
    return f"has a signature that does not hold with any trusted key ({tried}): {said[-1]}"


def fetch_release(store: Store, task: str, champion: Champion, named: str, *, into: Path) -> None:
    """Download the signature that the ledger names, and the verdict, from the version's run.

    Raises:
        RegistryError: the store cannot be reached, or they are gone.
    """
    run = run_of(store, task, champion.version or 0) or ""
    with whole_folder(into) as folder, tempfile.TemporaryDirectory() as scratch:
        fetch_evidence(store, run, (FOLDER, EVIDENCE), into=Path(scratch))
        for path in (Path(scratch) / FOLDER / signature_name(named), Path(scratch) / EVIDENCE):
            if not path.is_file():
                raise RegistryError(
                    f"the signature {named[:12]} of version {champion.version} is gone",
                    rule="a release's signature stays on its run",
                    remedy="restore the store's artifact folder from its backup",
                )
            shutil.copyfile(path, folder / path.name)


def release_folder(workspace: Workspace, task: str, champion: Champion) -> Path:
    """Where the signature and verdict of a released version are kept on this machine."""
    return workspace.home / "releases" / task / str(champion.version)


def _keep(
    workspace: Workspace, task: str, champion: Champion, signature: Path, evidence: Path
) -> None:
    with whole_folder(release_folder(workspace, task, champion)) as folder:
        for path in (signature, evidence):
            shutil.copyfile(path, folder / path.name)


def _says(folder: Path, signature: Path, key: str) -> str | None:
    """What model-signing has against a signature under one key, None if it holds."""
    from model_signing import hashing, verifying

    with tempfile.TemporaryDirectory(prefix="pawl-key-") as scratch:
        public = Path(scratch) / "key.pub"
        write_text(public, key)
        # The signature shall not choose what of the folder is looked at.
        how = hashing.Config().use_file_serialization()
        config = verifying.Config().use_elliptic_key_verifier(public_key=public)
        try:
            config.set_hashing_config(how).verify(folder, signature)
        except Exception as error:  # noqa: BLE001  # whatever a forged file raises: refused
            return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
    return None


@contextmanager
def _as_signed(adapter: Path, evidence: Path) -> Iterator[Path]:
    """The folder that is signed: `adapter/` and `verdict.json`."""
    with tempfile.TemporaryDirectory(prefix="pawl-release-") as scratch:
        folder = Path(scratch) / FOLDER
        shutil.copytree(adapter, folder / "adapter", symlinks=True)
        if evidence.is_file():
            shutil.copyfile(evidence, folder / EVIDENCE)
        yield folder


def _is(path: Path, digest: str) -> bool:
    return path.is_file() and digest_file(path) == digest


def signature_name(digest: str) -> str:
    """The file name of a signature, by its sha256."""
    return f"{digest[:16]}.sig"


def _refuse_other_verdict(store: Store, task: str, champion: Champion, *, found: str) -> None:
    said = verdict_of(store, task, champion.version or 0)
    if found != said:
        raise RegistryError(
            f"the stored verdict of version {champion.version} of '{task}' is {found[:12]}",
            rule="only the verdict that a version was registered with is signed: "
            + (said[:12] if said else "its page names none (tag `pawl.evidence`)"),
            remedy="restore the tracking store from its backup; or judge it again: `pawl run "
            f"{task} --force`",
        )


def _refuse_other_adapter(task: str, champion: Champion, evidence: Path) -> None:
    if read_record(evidence, Verdict).candidate != champion.digest:
        raise RegistryError(
            f"the verdict of version {champion.version} of '{task}' is about another adapter than "
            f"{(champion.digest or 'none')[:12]}, which its page names",
            rule="an adapter is signed together with the verdict that judged it",
            remedy="restore the tracking store from its backup",
        )


def _refused(task: str, champion: Champion, why: str) -> AdapterError:
    return AdapterError(
        f"version {champion.version} of '{task}' {why}",
        rule="what is released is signed, and its signature is checked whenever it is used",
        remedy=f"`pawl verify {task} {champion.version}` says more; `pawl rollback {task} --to N` "
        "releases another version",
    )
