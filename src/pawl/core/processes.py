"""git and DVC as a person would call them, in a workspace's folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pawl.errors import UsageError

# `read` ends when the other end of the pipe does, and that with its holder, however it dies. Asked
# first, so that a training saves what it has; ten seconds later killed.
GUARD = """
read -r line
kill -TERM "$0"
for second in 1 2 3 4 5 6 7 8 9 10; do sleep 1; kill -0 "$0" || exit; done
kill -KILL "$0"
"""

DVC = (sys.executable, "-m", "dvc")


def git(root: Path, *words: str) -> str | None:
    """What git prints, without the line end; None where it fails or is not installed."""
    command = ["git", "-C", str(root), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def run(root: Path, *command: str, rule: str, remedy: str) -> None:
    """Run a program that has to end well.

    Raises:
        UsageError: it did not; `rule` and `remedy` go with what it said.
    """
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UsageError(
            f"`{' '.join(command[-4:])}` failed: {done.stderr.strip()[-300:]}",
            rule=rule,
            remedy=remedy,
        )


@contextmanager
def guarded(target: int) -> Iterator[None]:
    """Should this process be killed within the block, end what it has started.

    `target` is the number of a process, or minus that of a group of processes.
    """
    guard = subprocess.Popen(
        ["/bin/sh", "-c", GUARD, str(target)], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        yield
    finally:
        guard.kill()
        guard.communicate()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started: first asked, ten seconds later killed."""
    for word, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, None)):
        if process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, word)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
