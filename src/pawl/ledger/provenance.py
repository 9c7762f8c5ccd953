"""Who acts, on which commit and data: read from git and DVC for the records."""

from __future__ import annotations

import getpass

import yaml

from pawl.core.processes import git
from pawl.workspace.paths import Workspace


def author(workspace: Workspace) -> str:
    """'Name <email>' from git's configuration, else the operating system's user name."""
    name = git(workspace.root, "config", "user.name")
    email = git(workspace.root, "config", "user.email")
    if name and email:
        return f"{name} <{email}>"
    try:
        return name or email or getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a user id that has no name; the record still needs a who.
        return "unknown"


def commit(workspace: Workspace) -> str:
    """The commit that the workspace is at, with '-dirty' where tracked files differ from it.

    'none' where there is no commit yet. Untracked files do not count: build output is ignored,
    and what matters of the rest (the data) goes by its own digest. Nor does `dvc.lock`: the cycle
    itself has just written it, and nothing is made from it.
    """
    head = git(workspace.root, "rev-parse", "--verify", "HEAD")
    if not head:
        return "none"
    status = ("status", "--porcelain", "--untracked-files=no")
    changed = git(workspace.root, *status, "--", ":/", ":!dvc.lock")
    return f"{head}-dirty" if changed else head


def data_md5(workspace: Workspace, task: str) -> str:
    """DVC's md5 of the data that the last cycle checked, from `dvc.lock`; '' where it has none.

    Not computed from the data file: a delivery may have come since.
    """
    try:
        stages = yaml.safe_load((workspace.root / "dvc.lock").read_text(encoding="utf-8"))["stages"]
        inputs = stages.get(f"check@{task}", {}).get("deps", ())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError):
        # None yet, or cut off by a DVC that was killed: the next run mends it.
        return ""
    data = workspace.task(task).data
    return next((str(one["md5"]) for one in inputs if one["path"] == data and "md5" in one), "")
