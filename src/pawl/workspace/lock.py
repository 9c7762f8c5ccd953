"""One cycle at a time in a workspace."""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pawl.workspace.paths import Workspace


@contextmanager
def workspace_lock(
    workspace: Workspace, *, waiting: Callable[[], None] | None = None
) -> Iterator[None]:
    """Hold the workspace for one cycle: DVC fails when two run at once, so the second waits.

    `waiting` is called once if another cycle has its turn, and stderr says so. The kernel frees
    the lock when its holder dies, however it dies.
    """
    workspace.home.mkdir(parents=True, exist_ok=True)
    with (workspace.home / "cycle.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another cycle runs in this workspace: waiting for it", file=sys.stderr)
            if waiting:
                waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
