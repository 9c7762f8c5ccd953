"""`pawl resume`: go on where the tracking store was down."""

from __future__ import annotations

from pawl.commands.run import fingerprint_now, run_cycle
from pawl.core.records import Cycle
from pawl.cycle.conclude import catch_up
from pawl.cycle.outbox import begun, end
from pawl.store.client import open_store
from pawl.workspace.lock import workspace_lock
from pawl.workspace.paths import Workspace


def resume(workspace: Workspace, task: str) -> list[Cycle]:
    """Go on where the store was not there: register what waits, judge what was trained.

    Nothing is trained: a cycle whose data or parameters changed since is given up.

    Raises:
        WaitingError: the store cannot be reached still.
    """
    store = open_store(workspace)
    with workspace_lock(workspace):
        delivered = catch_up(workspace, store, task)
        asked = begun(workspace, task)
        settled = any(known == asked and not cycle.stale for known, cycle in delivered)
        unfinished = asked and not settled and asked == fingerprint_now(workspace, store, task)
        if not unfinished:
            end(workspace, task)
    cycles = [cycle for _, cycle in delivered]
    return [*cycles, run_cycle(workspace, task)] if unfinished else cycles
