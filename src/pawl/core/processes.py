"""Child processes: git and DVC, and ending what was started with all its children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from pawl.errors import UsageError

DVC = (sys.executable, "-m", "dvc")
# Seconds that a process has to save its work after SIGTERM; then it is killed.
GRACE = 10
# `read` returns when the pipe's other end closes: when its holder dies, however it dies.
GUARD = f"""
read -r line
kill -TERM "$0"
for second in {" ".join(map(str, range(GRACE)))}; do sleep 1; kill -0 "$0" || exit; done
kill -KILL "$0"
"""


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
        ["/bin/sh", "-c", GUARD, str(target)], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        yield
    finally:
        guard.kill()
        guard.communicate()


def end_process_group(leader: subprocess.Popen[bytes]) -> None:
    """End a process and all its children: SIGTERM, then SIGKILL after `GRACE` seconds."""
    for signum, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, None)):
        if leader.poll() is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(leader.pid, signum)
        with suppress(subprocess.TimeoutExpired):
            leader.wait(patience)
