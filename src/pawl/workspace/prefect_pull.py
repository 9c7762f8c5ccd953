"""The first thing that a worker does for a run: go to its workspace."""

from __future__ import annotations

import os
from pathlib import Path

from pawl.errors import UsageError

# Where `pawl worker` was started: a clone of the workspace may lie elsewhere on each machine.
PLACE = "PAWL_WORKSPACE"


def enter_workspace(directory: str | None = None) -> dict[str, str]:
    """Change to the worker's workspace; `directory` is where it was deployed from.

    Raises:
        UsageError: neither is a workspace on this machine.
    """
    found = os.environ.get(PLACE) or directory or "."
    if not (Path(found) / "params.yaml").is_file():
        raise UsageError(
            f"{found} is no workspace on this machine",
            rule="a worker runs the cycles of the workspace that it was started in",
            remedy="start it there: `pawl -C DIR worker`",
        )
    os.chdir(found)
    return {"directory": found}
