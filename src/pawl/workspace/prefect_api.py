"""How Prefect's API is reached: its key, and the address at which `pawl ui` serves it now.

The key is `USER:PASSWORD` in a file that only its owner may read: `.pawl/keys/prefect.key`, or what
the environment variable PAWL_PREFECT_KEY names. Whoever has it may run commands as the user who
started the worker. It is in no argument list and in no log.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from pawl.core.private_files import write_private
from pawl.errors import UsageError
from pawl.workspace.paths import Workspace

KEY, URL, AUTH = "PAWL_PREFECT_KEY", "PREFECT_API_URL", "PREFECT_API_AUTH_STRING"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Long enough not to be guessed, and without what a header or a form would change.
FORM = re.compile(r"[\w.-]+:[\w.~+/=-]{20,}", re.ASCII)
# Seconds. Who asks for the address holds the file's lock for a moment.
MOMENT = 0.5


def key_file(workspace: Workspace) -> Path:
    """The file of the key to Prefect's API; it need not exist."""
    named = os.environ.get(KEY)
    return Path(named).absolute() if named else workspace.home / "keys" / "prefect.key"


def make_key(workspace: Workspace) -> Path:
    """The file of the key, with a random one in it if it was missing.

    Raises:
        UsageError: the file has another content, or others may read it.
    """
    path = key_file(workspace)
    if not path.exists():
        write_private(path, f"pawl:{secrets.token_urlsafe(32)}\n".encode())
    read_key(path)
    return path


def read_key(path: Path) -> str:
    """The key in a file, `USER:PASSWORD`.

    Raises:
        UsageError: it is missing, has another content, or others may read it.
    """
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the key to Prefect's API cannot be read from {path}: {type(error).__name__}",
            rule=f"it is a line USER:PASSWORD in the file that {KEY} names",
            remedy=f"copy the file from where Prefect is served, and name it in {KEY}",
        ) from error
    if mode & 0o077:
        raise UsageError(
            f"the key {path} can be read by others",
            rule="who has it may run commands as you: it is readable by its owner alone",
            remedy="remove it and start `pawl ui` again, which makes a new one",
        )
    if not FORM.fullmatch(text):
        raise UsageError(
            f"{path} holds no key to Prefect's API",
            rule="it is one line, USER:PASSWORD, of 20 characters or more after the colon",
            remedy="remove it and start `pawl ui` again, which makes a new one",
        )
    return text


def api_environment(workspace: Workspace) -> dict[str, str]:
    """The variables with which Prefect's programs reach the API, and its key where it is ours.

    The server is the one that PREFECT_API_URL names, else the one that `pawl ui` serves now.

    Raises:
        UsageError: there is neither.
    """
    if url := os.environ.get(URL) or _profile_url():
        return {URL: url, **key_environment(workspace, url)}
    if url := _served(workspace):
        return {URL: url, AUTH: read_key(key_file(workspace))}
    raise UsageError(
        "no Prefect server is known",
        rule=f"schedules are kept by the server that {URL} names, else by that of `pawl ui`",
        remedy=f"start `pawl ui` in another terminal, or set {URL}",
    )


def api_settings(workspace: Workspace) -> dict[str, str]:
    """The same for Prefect's client within this process: it may have read its settings before.

    Raises:
        UsageError: as `api_environment`.
    """
    own = {AUTH: os.environ[AUTH]} if os.environ.get(AUTH) else {}
    return {**own, **api_environment(workspace)}


def key_environment(workspace: Workspace, url: str) -> dict[str, str]:
    """The variable with the key, for a server on this machine or if PAWL_PREFECT_KEY names a file.

    Nothing where the environment has credentials already: no other server is told the key.
    """
    if any(os.environ.get(name) for name in (AUTH, "PREFECT_API_KEY")):
        return {}
    path = key_file(workspace)
    if os.environ.get(KEY) or (urlsplit(url).hostname in LOOPBACK and path.exists()):
        return {AUTH: read_key(path)}
    return {}


@contextmanager
def announced(workspace: Workspace, url: str) -> Iterator[None]:
    """Let the commands of this workspace find the API at `url` while the block runs.

    Raises:
        UsageError: another process serves this workspace.
    """
    path = _address_file(workspace)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        deadline = time.monotonic() + MOMENT
        # The kernel frees it when this process dies, however it dies: the address is never stale.
        while not _lock(file.fileno(), fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise UsageError(
                    f"`pawl ui` serves this workspace already, at {path.read_text()}",
                    rule="one Prefect server a workspace: two would schedule each cycle twice",
                    remedy="use that one, or stop it",
                )
            time.sleep(0.05)
        file.truncate(0)
        file.write(url)
        file.flush()
        yield
        file.truncate(0)


def _profile_url() -> str | None:
    """The address in Prefect's profile or configuration files."""
    from prefect.settings import PREFECT_API_URL

    url: str | None = PREFECT_API_URL.value()
    return url


def _served(workspace: Workspace) -> str | None:
    """The address that is announced now."""
    try:
        with _address_file(workspace).open(encoding="utf-8") as file:
            return None if _lock(file.fileno(), fcntl.LOCK_SH) else file.read() or None
    except FileNotFoundError:
        return None


def _lock(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _address_file(workspace: Workspace) -> Path:
    return workspace.home / "prefect" / "served"
