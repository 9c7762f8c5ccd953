"""Sealed evidence: an evaluation's files, encrypted with the owner's key (docs/adr/0005).

A sealed gate discloses only pass or fail, but its verdicts must be replayable. The evaluation's
results on gate rows are therefore encrypted before the stage writes them; the file goes through
DVC's cache and into the MLflow run like any other.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path

from pawl.core.files import lines_text
from pawl.core.private_files import write_private
from pawl.errors import DataError, UsageError

SEALED = "sealed.bin"
ROWS = "rows.jsonl"
KEY = "PAWL_SEAL_KEY"
# Bytes. Evidence is padded to a power of two, so that its size tells little.
SMALLEST = 1 << 16
SHORT = 1 << 11
LENGTH = 64


def seal(files: Mapping[str, str]) -> dict[str, bytes]:
    """Encrypt an evaluation's files; returns `sealed.bin`, and the rows file with dev rows alone.

    Works in memory, so that a killed process leaves no plain text on disk. The same files and key
    give the same bytes (AES-SIV, RFC 5297).
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    # Not splitlines: it would also split inside an answer that holds U+2028.
    rows = (json.loads(line) for line in files[ROWS].split("\n") if line)
    dev = [row for row in rows if row["split"] == "dev"]
    plain = json.dumps(files, sort_keys=True).encode()
    padded = plain.ljust(max(SMALLEST, 1 << (len(plain) - 1).bit_length()))
    return {
        SEALED: AESSIV(_key(make=True)).encrypt(padded, None),
        ROWS: lines_text(dev).encode("utf-8"),
    }


def open_folder(folder: Path) -> dict[str, str]:
    """The texts of an evaluation's files by name, decrypted if they are sealed.

    Raises:
        DataError: a file is missing, or the sealed file was not sealed with this key.
        UsageError: the key is missing.
    """
    sealed = folder / SEALED
    if not sealed.is_file():
        try:
            # Not read_text: it would turn \r\n into \n, and the digests are of the bytes.
            return {path.name: path.read_bytes().decode("utf-8") for path in folder.iterdir()}
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"{folder} cannot be read: {error}",
                rule="the evaluation writes its report and rows there",
                remedy="run `pawl run TASK`, or `dvc repro`",
            ) from error
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    try:
        plain = AESSIV(_key(make=False)).decrypt(sealed.read_bytes(), None)
    except InvalidTag as error:
        raise DataError(
            f"{sealed} was sealed with another key, or altered since",
            rule="sealed evidence can be read only unaltered and with the key that sealed it",
            remedy=f"name the right key file in {KEY}",
        ) from error
    files: dict[str, str] = json.loads(plain)
    return files


def seal_text(text: str) -> str:
    """A short text, encrypted with the owner's key and padded so that its size tells little."""
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    padded = text.encode().ljust(-(-len(text.encode()) // SHORT) * SHORT)
    return base64.b64encode(AESSIV(_key(make=True)).encrypt(padded, None)).decode("ascii")


def unseal_text(sealed: str) -> str:
    """The text that `seal_text` sealed.

    Raises:
        ValueError: it is none, or was sealed with another key.
        UsageError: the key is missing.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    try:
        plain = AESSIV(_key(make=False)).decrypt(base64.b64decode(sealed, validate=True), None)
    except InvalidTag as error:
        raise ValueError("sealed with another key, or altered since") from error
    return plain.decode("utf-8")


def key_file() -> Path:
    """The owner's key: the file that PAWL_SEAL_KEY names, else one in the home folder."""
    named = os.environ.get(KEY)
    return Path(named) if named else Path.home() / ".config" / "pawl" / "seal.key"


def _key(*, make: bool) -> bytes:
    path = key_file()
    if make and not path.exists():
        write_private(path, os.urandom(LENGTH))
    try:
        key = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the key to sealed evidence is not at {path}",
            rule="evidence of a sealed gate is read with the key that sealed it",
            remedy=f"copy the owner's key file there, or name it in {KEY}",
        ) from error
    if len(key) != LENGTH:
        raise UsageError(
            f"{path} holds {len(key)} bytes",
            rule=f"a seal key is {LENGTH} random bytes",
            remedy="restore it from the owner's copy",
        )
    return key
