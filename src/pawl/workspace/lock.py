"""Locks: one cycle at a time in a workspace, one stage or publication at a time of a task.

The kernel frees a lock when its holder dies, however it dies. A holder writes into the file who it
is, for those who wait.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from pawl.errors import PawlError
from pawl.workspace.paths import Workspace

# Seconds. The timeouts of a cycle's stages, in the flow that `pawl init` makes, come to 24 hours.
TIMEOUT = 24 * 3600.0
POLL = 0.5
SHOWN = 120


@contextmanager
def workspace_lock(
    workspace: Workspace, *, waiting: Callable[[], None] | None = None, timeout: float = TIMEOUT
) -> Iterator[None]:
    """Lock the workspace for one cycle; wait while another holds it, for DVC runs once at a time.

    `waiting` is called once before waiting; who holds the lock is also printed to stderr.

    Raises:
        PawlError: another still holds it after `timeout` seconds; the message names the holder.
    """
    with _locked(workspace.home / "cycle.lock", "this workspace", waiting=waiting, timeout=timeout):
        yield


@contextmanager
def stage_lock(workspace: Workspace, task: str, *, timeout: float = TIMEOUT) -> Iterator[None]:
    """Lock a task for one stage: a stage whose DVC was killed may still run, and owns its files.

    Raises:
        PawlError: as `workspace_lock`.
    """
    place = f"a stage of '{task}'"
    with _locked(workspace.home / "stages" / f"{task}.lock", place, timeout=timeout):
        yield


@contextmanager
def publish_lock(workspace: Workspace, task: str, *, timeout: float = TIMEOUT) -> Iterator[None]:
    """Lock a task for one publication: of two, the later one publishes what is champion then.

    Raises:
        PawlError: as `workspace_lock`.
    """
    place = f"a publication of '{task}'"
    with _locked(workspace.published(task).with_suffix(".lock"), place, timeout=timeout):
        yield


@contextmanager
def _locked(
    path: Path, place: str, *, timeout: float, waiting: Callable[[], None] | None = None
) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        if not _take(file):
            print(f"{_holder(file)} is at {place}: waiting for it", file=sys.stderr)
            if waiting:
                waiting()
            _wait(file, place, timeout=timeout)
        with suppress(OSError):
            # On a full disk the holder has no name; the lock is held all the same.
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), f"{os.getpid()} {_command()}".encode())
        yield


def _wait(file: IO[str], place: str, *, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not _take(file):
        if time.monotonic() >= deadline:
            holder, pid = _holder(file), _read(file)[0]
            raise PawlError(
                f"{holder} is still at {place} after {timeout:.0f} s",
                rule="one at a time runs there; who waits gives up at last",
                remedy=f"see whether it goes on; if it hangs, end it (`kill {pid}`), then run the "
                "command again",
            )
        time.sleep(POLL)


def _take(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: IO[str]) -> str:
    """Who holds the lock, as its file says."""
    pid, command = _read(file)
    since = time.strftime("%H:%M on %d %B", time.localtime(os.fstat(file.fileno()).st_mtime))
    return f"`{command}` (process {pid}, since {since})"


def _read(file: IO[str]) -> tuple[str, str]:
    text = os.pread(file.fileno(), 1000, 0).decode("utf-8", "replace")
    pid, _, command = "".join(c for c in text if c.isprintable()).partition(" ")
    return pid if pid.isdecimal() and len(pid) < 10 else "?", command[:SHOWN] or "another command"


def _command() -> str:
    """This process's command line as a person would type it."""
    program, *words = sys.argv
    path = Path(program)
    name = path.parent.name if path.name == "__main__.py" else path.name
    return " ".join((name, *words))
