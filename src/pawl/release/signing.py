"""Signed releases: OpenSSF Model Signing over an adapter and the verdict that it was released on.

A folder of `adapter/` and `verdict.json` is signed. The signature is stored on the version's MLflow
run (`release/<first digits of its sha256>.sig`) and, with the verdict, beside the local copy; the
ledger entry of the release names it by its sha256. So none can be replaced or removed unnoticed.
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
from pawl.ledger.keys import TRUSTED, fingerprint, signing_key, trusted_keys
from pawl.store.client import Store
from pawl.store.runs import fetch_evidence, log_evidence
from pawl.store.version_tags import EVIDENCE_TAG, version_page
from pawl.workspace.paths import Workspace

EVIDENCE, FOLDER = "verdict.json", "release"


@dataclass(frozen=True)
class Signed:
    """The signature of a release and the signed verdict, both by sha256."""

    signature: str
    evidence: str


def sign_release(
    workspace: Workspace,
    store: Store,
    task: str,
    new: Champion,
    *,
    adapter: Path,
    state: State,
    verdict: Path | None = None,
) -> Signed:
    """Sign a version before its release; one that was released before has its signature checked.

    Args:
        adapter: its verified folder.
        state: the ledger's state.
        verdict: the file that the gate wrote on this machine; None: the stored one is taken.

    Raises:
        UsageError: this machine has no trusted key.
        AdapterError: it was signed before, and that signature is invalid.
        RegistryError: the version's verdict is gone, or is not the one that it was registered with.
    """
    if (expected := state.signature(new)) is not None:
        check_release(workspace, store, task, new, adapter=adapter, state=state)
        evidence = digest_file(release_folder(workspace, task, new) / EVIDENCE)
        return Signed(expected, evidence)
    from model_signing import signing

    key, page = signing_key(workspace), version_page(store, task, new.version)
    run = page.run_id or ""
    with tempfile.TemporaryDirectory(prefix="pawl-sign-") as temp:
        scratch = Path(temp)
        signature = scratch / "sig"
        if verdict is None:
            fetch_evidence(store, run, (EVIDENCE,), into=scratch)
            verdict = scratch / EVIDENCE
        evidence = digest_file(verdict)
        if evidence != (registered := page.tags.get(EVIDENCE_TAG)):
            raise RegistryError(
                f"the stored verdict of version {new.version} of '{task}' is {evidence[:12]}",
                rule="only the verdict that a version was registered with is signed: "
                + (registered[:12] if registered else "its page names none (tag `pawl.evidence`)"),
                remedy="restore the tracking store from its backup; or judge it again: `pawl run "
                f"{task} --force`",
            )
        if read_record(verdict, Verdict).candidate != new.digest:
            raise RegistryError(
                f"the verdict of version {new.version} of '{task}' is about another adapter "
                f"than {(new.digest or 'none')[:12]}, which its page names",
                rule="an adapter is signed together with the verdict that judged it",
                remedy="restore the tracking store from its backup",
            )
        with _signed_folder(adapter, verdict) as folder:
            signer = signing.Config().use_elliptic_key_signer(private_key=key)
            signer.sign(folder, signature)
        digest = digest_file(signature)
        signature = signature.rename(scratch / signature_name(digest))
        log_evidence(store, run, files={signature: FOLDER})
        with whole_folder(release_folder(workspace, task, new)) as folder:
            shutil.copyfile(signature, folder / signature.name)
            shutil.copyfile(verdict, folder / EVIDENCE)
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
    """Check the signature of a released version, and that the ledger names the signed verdict.

    Where the workspace has no keys and the ledger names no signature, nothing was ever signed.

    Raises:
        AdapterError: the signature is missing, replaced or invalid, or the verdict is another one.
        RegistryError: the signature is not on disk and cannot be fetched.
    """
    expected = state.signature(champion)
    if expected is None:
        if trusted_keys(workspace):
            raise _refused(task, champion, "is not signed")
        return
    folder = release_folder(workspace, task, champion)
    signature, verdict = folder / signature_name(expected), folder / EVIDENCE
    if not _has_digest(signature, expected):
        fetch_release(store, task, champion, expected, into=folder)
    if problem := signature_problem(workspace, adapter, verdict, signature, named=expected):
        raise _refused(task, champion, problem)
    signed, named = digest_file(verdict), state.evidence(champion)
    if signed != named:
        problem = f"is signed over another verdict, {signed[:12]}, than its ledger entry names: "
        raise _refused(task, champion, problem + (named[:12] if named else "none"))


def signature_problem(
    workspace: Workspace, adapter: Path, evidence: Path, signature: Path, *, named: str
) -> str | None:
    """What is wrong with a signature over these files, None if it is valid.

    `named` is the sha256 of the signature that the ledger names; the workspace's keys are trusted.
    """
    if not _has_digest(signature, named):
        return f"has another signature than the one in the ledger, {named[:12]}"
    keys = trusted_keys(workspace)
    if not keys:
        return f"is signed, but {TRUSTED}, which holds the trusted keys, is gone"
    with _signed_folder(adapter, evidence) as folder:
        errors = [_verification_error(folder, signature, key) for key in keys]
    if None in errors:
        return None
    tried = ", ".join(fingerprint(key)[:12] for key in keys)
    return f"has a signature that is invalid with every trusted key ({tried}): {errors[-1]}"


def fetch_release(store: Store, task: str, champion: Champion, named: str, *, into: Path) -> None:
    """Download the signature that the ledger names, and the verdict, from the version's run.

    Raises:
        RegistryError: they are gone.
    """
    run = version_page(store, task, champion.version).run_id or ""
    with whole_folder(into) as folder, tempfile.TemporaryDirectory() as scratch:
        fetch_evidence(store, run, (FOLDER, EVIDENCE), into=Path(scratch))
        for path in (Path(scratch) / FOLDER / signature_name(named), Path(scratch) / EVIDENCE):
            if not path.is_file():
                raise RegistryError(
                    f"the signature {named[:12]} of version {champion.version} is gone",
                    rule="the signature of a release stays on its run",
                    remedy="restore the store's artifact folder from its backup",
                )
            shutil.copyfile(path, folder / path.name)


def release_folder(workspace: Workspace, task: str, champion: Champion) -> Path:
    """The local folder of a released version's signature and verdict."""
    return workspace.home / "releases" / task / str(champion.version)


def signature_name(digest: str) -> str:
    """The file name of a signature, by its sha256."""
    return f"{digest[:16]}.sig"


def _verification_error(folder: Path, signature: Path, key: str) -> str | None:
    """The error of verifying a signature with one public key (PEM), None if it is valid."""
    from model_signing import hashing, verifying

    with tempfile.TemporaryDirectory(prefix="pawl-key-") as scratch:
        public = Path(scratch) / "key.pub"
        write_text(public, key)
        # Fixed here: the signature must not choose which files of the folder are hashed.
        method = hashing.Config().use_file_serialization()
        config = verifying.Config().use_elliptic_key_verifier(public_key=public)
        try:
            config.set_hashing_config(method).verify(folder, signature)
        except Exception as error:  # noqa: BLE001  # whatever a forged file raises: refused
            return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
    return None


@contextmanager
def _signed_folder(adapter: Path, evidence: Path) -> Iterator[Path]:
    """The folder that is signed: `adapter/` and `verdict.json`."""
    with tempfile.TemporaryDirectory(prefix="pawl-release-") as scratch:
        folder = Path(scratch) / FOLDER
        shutil.copytree(adapter, folder / "adapter", symlinks=True)
        if evidence.is_file():
            shutil.copyfile(evidence, folder / EVIDENCE)
        yield folder


def _has_digest(path: Path, digest: str) -> bool:
    return path.is_file() and digest_file(path) == digest


def _refused(task: str, champion: Champion, why: str) -> AdapterError:
    return AdapterError(
        f"version {champion.version} of '{task}' {why}",
        rule="releases are signed, and the signature is checked at every use",
        remedy=f"`pawl verify {task} {champion.version}` shows more; `pawl rollback {task} --to N` "
        "releases another version",
    )
