"""Who acts and which code: what the records say beside digests, asked from git."""

from __future__ import annotations

import getpass
import subprocess

from pawl.workspace import Workspace


def author(workspace: Workspace) -> str:
    """'Name <email>' from git's configuration, else the operating system's user name."""
    name = _git(workspace, "config", "user.name")
    email = _git(workspace, "config", "user.email")
    if name and email:
        return f"{name} <{email}>"
    return name or email or _login()


def commit(workspace: Workspace) -> str:
    """The commit that the workspace stands on, with '-dirty' where tracked files differ from it.

    'none' where there is no commit yet. Untracked files do not count: build output is ignored,
    and what matters of the rest (the data) goes by its own digest. Nor does `dvc.lock`: the cycle
    itself has just written it, and nothing is made from it.
    """
    head = _git(workspace, "rev-parse", "--verify", "HEAD")
    if not head:
        return "none"
    changed = _git(
        workspace, "status", "--porcelain", "--untracked-files=no", "--", ":/", ":!dvc.lock"
    )
    return f"{head}-dirty" if changed else head


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a user id that has no name; the record still needs a who.
        return "unknown"


def _git(workspace: Workspace, *words: str) -> str:
    """git's answer without the line end; empty where git has none or is not installed."""
    command = ["git", "-C", str(workspace.root), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
