"""Child processes: git and DVC, and ending what was started with all its children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pawl.errors import UsageError

DVC = (sys.executable, "-m", "dvc")
# Set, and not empty: the user wants to see errors alone, of what is started as well.
QUIET = "PAWL_QUIET"
# Seconds that a process has to save its work after SIGTERM; then it is killed.
GRACE = 10
# Where git looks, called from a hook, instead of in the folder that it is called in: what
# `git rev-parse --local-env-vars` names, without its configuration, and its quarantine.
GIT_PLACES = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_GRAFT_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_QUARANTINE_PATH",
)
PROXIES = ("all_proxy", "http_proxy", "https_proxy")
# The shell waits until the guard is there: it never becomes a process that nobody would end.
GATE = 'read -r go && exec "$@" </dev/null'
# `read` returns when the pipe's other end closes: when its holder dies, however it dies.
GUARD = f"""
read -r line
kill -TERM "$0"
for second in {" ".join(map(str, range(GRACE)))}; do sleep 1; kill -0 "$0" || exit; done
kill -KILL "$0"
"""


def leave_git_hook() -> None:
    """Forget the repository that a git hook names: git is asked about the folders it is given."""
    for name in GIT_PLACES:
        os.environ.pop(name, None)


def leave_socks_proxies() -> None:
    """Forget SOCKS proxies where no library can use one: some refuse to start, for any address."""
    if find_spec("socksio") or find_spec("socks"):
        return
    for name in [name for name in os.environ if name.lower() in PROXIES]:
        if os.environ[name].startswith("socks"):
            del os.environ[name]


def git(root: Path, *words: str, stdin: str | None = None) -> str | None:
    """Return git's output without the line end, or None if git fails or is not installed."""
    command = ["git", "-C", str(root), *words]
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, check=False, timeout=60
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def run(
    root: Path,
    *command: str,
    rule: str,
    remedy: str,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a program in the folder `root`; raises `UsageError` with its output if it fails."""
    try:
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, check=False
        )
        failure = done.stderr.strip()[-300:] if done.returncode else None
    except FileNotFoundError:
        failure = "it is not installed"
    if failure is not None:
        raise UsageError(f"`{' '.join(command[-4:])}` failed: {failure}", rule=rule, remedy=remedy)


@contextmanager
def guarded(target: int) -> Iterator[None]:
    """End `target`, a process id or minus that of a group, if this process is killed within."""
    guard = subprocess.Popen(
        ["/bin/sh", "-c", GUARD, str(target)],
        stdin=subprocess.PIPE,
        # It has nothing to say, and would hold open what a reader of our output waits for.
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        guard.kill()
        guard.communicate()


@contextmanager
def started(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program in a session of its own; it ends with the block, with all its children.

    It also ends if this process is killed within, at whatever moment: a guard, which reads from a
    pipe that only this process holds, is there before the program is. `options` are those of
    `subprocess.Popen`; the program's stdin is empty.
    """
    gate = ["/bin/sh", "-c", GATE, "sh", *command]
    process = subprocess.Popen(gate, stdin=subprocess.PIPE, start_new_session=True, **options)
    try:
        with guarded(-process.pid):
            try:
                assert process.stdin is not None
                with suppress(BrokenPipeError), process.stdin as pipe:
                    pipe.write(b"go\n")
                yield process
            finally:
                end_process_group(process)
    finally:
        # Only where no guard could be started is it still there.
        process.kill()


def end_process_group(leader: subprocess.Popen[bytes]) -> None:
    """End the session of `leader`: SIGTERM, then SIGKILL after `GRACE` seconds, or on Ctrl-C.

    The leader may have ended long before: others of its session may still run then.
    """
    try:
        _signal_session(leader, signal.SIGTERM, patience=GRACE)
    finally:
        _signal_session(leader, signal.SIGKILL, patience=GRACE)


def _signal_session(
    leader: subprocess.Popen[bytes], signum: signal.Signals, *, patience: float
) -> None:
    """Send a signal to all who are left; return when they have ended, or after `patience` s."""
    deadline = time.monotonic() + patience
    sent: set[int] = set()
    while left := _session(leader):
        for pid in left - sent:
            with suppress(ProcessLookupError):
                os.kill(pid, signum)
        sent |= left
        if time.monotonic() >= deadline:
            return
        time.sleep(0.1)


def _session(leader: subprocess.Popen[bytes]) -> set[int]:
    """The ids of those that run in a leader's session, without the dead whom nobody has reaped."""
    import psutil

    leader.poll()
    found = set()
    for pid in psutil.pids():
        with suppress(OSError, psutil.Error):
            if os.getsid(pid) == leader.pid and psutil.Process(pid).status() != "zombie":
                found.add(pid)
    return found
