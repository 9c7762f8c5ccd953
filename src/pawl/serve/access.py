"""Who may call: whoever has a token; without any token, programs on this machine alone."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.errors import UsageError
from pawl.serve.refusals import Refused

if TYPE_CHECKING:
    from starlette.types import Scope

# The tokens themselves, separated by blanks; for containers, whose secrets are variables.
VARIABLE = "PAWL_SERVE_TOKENS"
# As bearer tokens are (RFC 6750), and too long to be guessed.
TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{16,512}")
OPEN = frozenset({"/health"})
MAKE = "`openssl rand -hex 32` makes one"


class Access:
    """The tokens that are taken; none: nobody is asked for one."""

    def __init__(self, tokens: tuple[str, ...]) -> None:
        self._digests = [_digest(token.encode()) for token in tokens]

    @property
    def asks(self) -> bool:
        """Whether callers need a token."""
        return bool(self._digests)

    def check(self, scope: Scope) -> bool:
        """Whether a request has a token that is taken, or needs none.

        False on the open routes alone, whose stranger is told less; on others raises `Refused`.
        """
        if not self._digests:
            return True
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        kind, _, token = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
        # Each is compared, and digests have one length: the time says nothing of a token.
        digest = _digest(token.strip())
        same = [hmac.compare_digest(digest, one) for one in self._digests]
        if kind.lower() == b"bearer" and any(same):
            return True
        if scope["path"] not in OPEN:
            raise Refused(
                401,
                "a token is needed: `Authorization: Bearer …`",
                code="invalid_api_key",
            )
        return False


def read_tokens(file: Path | None) -> tuple[str, ...]:
    """The tokens of a file, a line each, and of the environment.

    Raises:
        UsageError: the file cannot be read or may be read by others, or a token is too short.
    """
    words = os.environ.get(VARIABLE, "").split()
    source = VARIABLE
    if file is not None:
        source = str(file)
        words += _lines(file)
    for number, word in enumerate(words, 1):
        if not TOKEN.fullmatch(word):
            raise UsageError(
                f"token {number} of {source} is no token",
                rule="a token has 16 to 512 letters, digits and -._~+/=",
                remedy=MAKE,
            )
    return tuple(dict.fromkeys(words))


def refuse_open(host: str, tokens: tuple[str, ...]) -> None:
    """Raise `UsageError` for a server without tokens that others than this machine reach."""
    if not tokens and not is_loopback(host):
        raise UsageError(
            f"the server would listen on {host} and ask nobody for a token",
            rule="without a token only programs on this machine are answered",
            remedy=f"name a file with one: `--token-file FILE` ({MAKE}), or set {VARIABLE}; or "
            "leave `--host` out",
        )


def is_loopback(host: str) -> bool:
    """Whether a server on this host is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _lines(file: Path) -> list[str]:
    try:
        mode = file.stat().st_mode
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the token file {file} cannot be read: {error}",
            rule="it is a text file with a token a line",
            remedy=f"{MAKE}",
        ) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(
            f"the token file {file} may be used by others (mode {stat.S_IMODE(mode):04o})",
            rule="a secret is its owner's alone",
            remedy=f"`chmod 600 {file}`",
        )
    lines = [line.strip() for line in text.splitlines()]
    words = [line for line in lines if line and not line.startswith("#")]
    if not words:
        raise UsageError(
            f"the token file {file} has no token",
            rule="a server that was told of a token file asks for a token",
            remedy=f"write one into it: {MAKE}",
        )
    return words


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
