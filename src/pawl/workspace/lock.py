"""A lock that lets one cycle at a time run in a workspace."""

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
    """Lock the workspace for one cycle; wait while another holds it, for DVC runs once at a time.

    `waiting` is called once before waiting, which is also printed to stderr. The kernel frees the
    lock when its holder dies, however it dies.
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
