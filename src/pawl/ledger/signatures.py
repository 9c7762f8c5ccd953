"""Signatures over records, ledger entries and judgements, by the machine that wrote them.

What is signed is the canonical JSON of a record after a line that says what kind of record it is,
so that no signature passes for one over another kind.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from pawl.core.files import canonical_json
from pawl.core.records import Signature
from pawl.ledger.keys import fingerprint, private_key, public_pem, signing_key
from pawl.workspace.paths import Workspace


def sign(workspace: Workspace, kind: str, record: Any) -> Signature:
    """Sign a JSON value with this machine's key.

    Raises:
        UsageError: this machine has no trusted key.
    """
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256

    key = private_key(signing_key(workspace))
    # By RFC 6979: an operation that is tried again signs the same, so that its pages are the same.
    algorithm = ec.ECDSA(SHA256(), deterministic_signing=True)
    value = key.sign(_message(kind, record), algorithm)
    return Signature(fingerprint(public_pem(key)), base64.b64encode(value).decode("ascii"))


def is_signed(signature: Signature | None, kind: str, record: Any, trusted: Iterable[str]) -> bool:
    """Whether the signature over a JSON value is valid with one of the trusted keys (PEM)."""
    if signature is None:
        return False
    pem = next((pem for pem in trusted if fingerprint(pem) == signature.key), None)
    return pem is not None and _holds(pem, signature.value, _message(kind, record))


def _message(kind: str, record: Any) -> bytes:
    return f"pawl {kind}\n".encode() + canonical_json(record)


# A ledger is read some ten times in a command.
@lru_cache(maxsize=1 << 16)
def _holds(pem: str, value: str, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem.encode())
        if not isinstance(key, ec.EllipticCurvePublicKey):
            return False
        key.verify(base64.b64decode(value, validate=True), message, ec.ECDSA(SHA256()))
    except (InvalidSignature, UnsupportedAlgorithm, binascii.Error, ValueError):
        return False
    return True
