"""git and DVC as a person would call them, in a workspace's folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pawl.errors import UsageError

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
