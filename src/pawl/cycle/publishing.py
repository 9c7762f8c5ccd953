"""Publishing at the end of a cycle: what fails is tried again and told, and undoes no release."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pawl.core.records import Cycle
from pawl.errors import PawlError
from pawl.publish.publish import publish_release, targets_of
from pawl.store.client import open_store
from pawl.workspace.paths import Workspace


def publish_champion(workspace: Workspace, task: str) -> None:
    """Publish what is champion now, released by this cycle or not: a replica may have restarted.

    Raises:
        PublishError: a target does not serve it. The release stands.
    """
    publish_release(workspace, open_store(workspace), task)


def published(workspace: Workspace, cycle: Cycle, step: Callable[[Workspace, str], None]) -> Cycle:
    """The cycle, once `step` has published its champion; where that fails, the cycle says so.

    Where params.yaml names no target of the task, nothing is called.
    """
    if not targets_of(workspace, cycle.task):
        return cycle
    try:
        step(workspace, cycle.task)
    except PawlError as error:
        return replace(cycle, reasons=(*cycle.reasons, f"not published: {error.found}"))
    return cycle
