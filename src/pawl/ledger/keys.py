"""Keys to sign the record with: a private one on each machine that writes, the trusted public ones.

`pawl.pub` at the workspace's root holds the public keys, PEM after PEM. It is committed: whoever
may change it decides who may write the record. The private key is under `.pawl/keys/`, or at the
path in the environment variable PAWL_SIGNING_KEY, and never leaves the machine.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.core.files import write_text
from pawl.core.private_files import write_private
from pawl.errors import UsageError
from pawl.workspace.paths import Workspace

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

TRUSTED, VARIABLE = "pawl.pub", "PAWL_SIGNING_KEY"
PEM = re.compile(r"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----\n?", re.DOTALL)
RULE = f"the record is signed with a key whose public half is in {TRUSTED}"


@dataclass(frozen=True)
class Keys:
    """This machine's private key: its path, its fingerprint (sha256), whether it was made just now.

    `trusted` are the fingerprints of all public keys in `pawl.pub`.
    """

    private: Path
    fingerprint: str
    made: bool
    trusted: tuple[str, ...]


def make_keys(workspace: Workspace) -> Keys:
    """Make this machine's key if it has none, and add it to the trusted ones.

    Raises:
        UsageError: the key file is invalid, or others may read it.
    """
    private = private_path(workspace)
    made = not private.exists()
    if made:
        _write_key(private)
    own, trusted = _public(private), trusted_keys(workspace)
    if own not in trusted:
        trusted.append(own)
        write_text(workspace.root / TRUSTED, "".join(trusted))
    return Keys(private, fingerprint(own), made, tuple(map(fingerprint, trusted)))


def signing_key(workspace: Workspace) -> Path:
    """The path of this machine's private key; where no key is trusted yet, one is made.

    Raises:
        UsageError: there are trusted keys but this machine has none, or its own is not trusted.
    """
    private, trusted = private_path(workspace), trusted_keys(workspace)
    if not trusted:
        # Also where a process was killed between writing the private key and the public one.
        return make_keys(workspace).private
    if not private.exists():
        raise UsageError(
            f"there is no signing key at {private}",
            rule=RULE,
            remedy=f"copy the key here and name its path ({VARIABLE}=FILE); or make one for this "
            f"machine: `pawl keys`, then commit {TRUSTED}",
        )
    if (own := _public(private)) not in trusted:
        raise UsageError(
            f"the signing key {private} ({fingerprint(own)[:12]}) is not in {TRUSTED}",
            rule=RULE,
            remedy=f"`pawl keys` adds it; then commit {TRUSTED}",
        )
    return private


def trusted_keys(workspace: Workspace) -> list[str]:
    """The public keys in `pawl.pub` as PEM; empty where there is no such file.

    Raises:
        UsageError: the file has other content.
    """
    path = workspace.root / TRUSTED
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    keys: list[str] = PEM.findall(text)
    if not keys or PEM.sub("", text).strip():
        raise UsageError(
            f"{path} holds something else than public keys",
            rule="it holds public keys in PEM form and nothing else",
            remedy="restore it from git",
        )
    return [key if key.endswith("\n") else f"{key}\n" for key in keys]


def private_path(workspace: Workspace) -> Path:
    """The path of this machine's private key."""
    path = os.environ.get(VARIABLE)
    return Path(path) if path else workspace.home / "keys" / "signing.key"


def fingerprint(pem: str) -> str:
    """sha256 of a public key in PEM form, as OpenSSF Model Signing names it in a signature."""
    return hashlib.sha256(pem.encode()).hexdigest()


def _write_key(path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    # Two first releases at once make one key: the first one's.
    write_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def private_key(path: Path) -> EllipticCurvePrivateKey:
    """The private key in a file.

    Raises:
        UsageError: the file is invalid, or others may read it.
    """
    from cryptography.hazmat.primitives import serialization as pem
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        if path.stat().st_mode & 0o077:
            raise UsageError(
                f"the signing key {path} can be read by others",
                rule="a private key is readable by its owner alone",
                remedy=f"`chmod 600 {path}`; if others may have had it, make a new one",
            )
        key = pem.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            f"the signing key {path} cannot be read: {error}",
            rule="it is an elliptic-curve key in PEM form, without a passphrase",
            remedy="restore it from its backup, or remove it and run `pawl keys`",
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise UsageError(
            f"the signing key {path} is not an elliptic-curve key",
            rule="the record is signed with ECDSA",
            remedy="remove it and run `pawl keys`",
        )
    return key


def public_pem(key: EllipticCurvePrivateKey) -> str:
    """The public half, as PEM, of a private key."""
    from cryptography.hazmat.primitives import serialization as pem

    text = key.public_key().public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo)
    return text.decode("ascii")


def _public(path: Path) -> str:
    return public_pem(private_key(path))
