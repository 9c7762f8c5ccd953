"""Signatures, and heads that a workspace remembered: what the store's keeper cannot write."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from model_signing import hashing, verifying

PEM = re.compile(r"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----\n?", re.DOTALL)
CLOCKS = timedelta(hours=1)  # how far apart two machines' may be


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def sha256(value):
    return hashlib.sha256(value if isinstance(value, bytes) else canonical(value)).hexdigest()


def read_keys(path):
    """The public keys of a file like `pawl.pub`, as PEM."""
    text = Path(path).read_text(encoding="utf-8") if Path(path).is_file() else ""
    if not (keys := PEM.findall(text)):
        raise SystemExit(f"{path} holds no public key: take it from git, not from the store")
    return [pem.rstrip("\n") + "\n" for pem in keys]


def is_signed(tag, kind, content, keys):
    """Whether a tag holds one of the keys' signature over a record of that kind."""
    try:
        value = base64.b64decode(value_of(tag), validate=True)
    except (TypeError, ValueError):
        return False
    message = f"pawl {kind}\n".encode() + canonical(content)
    for pem in keys:
        try:
            load_pem_public_key(pem.encode()).verify(value, message, ec.ECDSA(SHA256()))
        except (InvalidSignature, TypeError, AttributeError, ValueError):
            continue
        return True
    return False


def vouched(entries, ledger, keys):
    """Numbers of the entries that a key signed, and of all that those follow."""
    by_digest = {entry["digest"]: entry for entry in entries}
    waiting = [
        entry
        for entry in entries
        if is_signed(
            entry["signature"], "ledger entry", {"ledger": ledger, "entry": entry["body"]}, keys
        )
    ]
    found = set()
    while waiting:
        entry = waiting.pop()
        if entry["number"] not in found:
            found.add(entry["number"])
            waiting += [by_digest[name] for name in entry["follows"] if name in by_digest]
    return found


def dates(entries):
    """Entries dated before what they follow; a second beginning long after the first one."""
    when = {entry["digest"]: datetime.fromisoformat(entry["body"]["when"]) for entry in entries}
    began = when[entries[0]["digest"]] if entries else None
    for entry in entries:
        own = when[entry["digest"]]
        before = [when[name] for name in entry["follows"] if name in when]
        if before and own < max(before) - CLOCKS:
            yield entry["number"], f"is of {own}, but follows one of {max(before)}"
        if not before and abs(own - began) > CLOCKS:
            yield entry["number"], "follows none, and is no rival of the first one"


def read_heads(paths, store, task):
    """The heads that files remember of this task's ledger in this store.

    Each is (entry number, digest of all up to it, number of the last adoption among them).
    """
    own = places(store)
    for path in paths:
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            name, number, digest, adopted = line.split()
            ledger, _, place = name.partition("@")
            if ledger == f"{task}.ledger" and place in own:
                yield int(number), digest, int(adopted)


def places(store):
    """The names that a store may go by in a remembered head."""
    url = urlsplit(store)
    if url.scheme != "sqlite":
        host = url.netloc.rpartition("@")[2]
        known = {store, url._replace(netloc=host, query="").geturl()}
    else:
        # A workspace's own store is remembered by its place in the workspace.
        parts = Path(url.path[1:]).absolute().parts
        known = {"/".join(parts[start:]) for start in range(len(parts))}
    return {hashlib.sha256(name.encode()).hexdigest()[:12] for name in known}


def lost(entries, heads, adoptions):
    """Numbers of the remembered heads that the ledger neither extends nor was told to let go."""
    named, spans = set(), []
    for adoption in adoptions:
        if heads_named := adoption["body"]["details"].get("lost"):
            named |= {(int(number), str(digest)) for number, digest in heads_named}
            spans.append((adoption["number"], max(int(number) for number, _ in heads_named)))
    for number, digest, adopted in heads:
        seen = [[e["digest"], value_of(e["signature"])] for e in entries if e["number"] <= number]
        # Others may have seen less of what was lost, but before the adoption.
        between = any(adopted < adoption <= number <= last for adoption, last in spans)
        if sha256(seen) != digest and (number, digest) not in named and not between:
            yield number


def value_of(tag):
    """The signature in a tag, None where it holds none."""
    try:
        return json.loads(tag)["value"]
    except (KeyError, TypeError, ValueError):
        return None


def release_problem(adapter, verdict, signature, keys):
    """What is wrong with a release's signature over an adapter's folder and verdict, else None."""
    with tempfile.TemporaryDirectory() as scratch:
        signed, at = Path(scratch) / "release", Path(scratch) / "sig"
        shutil.copytree(adapter, signed / "adapter")
        (signed / "verdict.json").write_bytes(verdict)
        at.write_bytes(signature)
        problem = "no key was given"
        for number, pem in enumerate(keys):
            key = Path(scratch) / f"{number}.pub"
            key.write_text(pem, encoding="utf-8")
            config = verifying.Config().use_elliptic_key_verifier(public_key=key)
            config.set_hashing_config(hashing.Config().use_file_serialization())
            try:
                config.verify(signed, at)
            except Exception as error:  # noqa: BLE001 - whatever a forged file raises
                problem = f"{type(error).__name__}: {' '.join(str(error).split())[:90]}"
            else:
                return None
        return problem
