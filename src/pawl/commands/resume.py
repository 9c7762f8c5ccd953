"""`pawl resume`: finish what a cycle could not while the tracking store was down."""

from __future__ import annotations

from pawl.commands.run import fingerprint_now, run_cycle
from pawl.core.records import Cycle
from pawl.cycle.conclude import deliver_outbox
from pawl.cycle.outbox import begun, end, print_refusal
from pawl.cycle.publishing import publish_champion, published
from pawl.errors import PawlError
from pawl.store.client import open_store
from pawl.workspace.lock import workspace_lock
from pawl.workspace.paths import Workspace


def resume(workspace: Workspace, task: str) -> list[Cycle]:
    """Register the candidates in the outbox, and finish a cycle that has trained but not ended.

    Nothing is trained: a cycle whose data or parameters have changed since is dropped. Returns the
    cycles that are now complete. What can never be registered is set aside, and told.

    Raises:
        WaitingError: the store is still unreachable.
        DataError, AdapterError: nothing could be registered of what waited.
    """
    store = open_store(workspace)
    with workspace_lock(workspace):
        refused: list[PawlError] = []
        delivered = deliver_outbox(workspace, store, task, refused=refused.append)
        fingerprint = begun(workspace, task)
        settled = {registered for registered, cycle in delivered if not cycle.stale}
        unfinished = (
            fingerprint
            and fingerprint not in settled
            and fingerprint == fingerprint_now(workspace, store, task)
        )
        if not unfinished:
            end(workspace, task)
    cycles = [published(workspace, cycle, publish_champion) for _, cycle in delivered]
    if refused and not cycles and not unfinished:
        raise refused[0]
    for error in refused:
        print_refusal(error)
    return [*cycles, run_cycle(workspace, task)] if unfinished else cycles
