"""`pawl publish`: bring the champions of some tasks to their targets."""

from __future__ import annotations

from collections.abc import Sequence

from pawl.core.records.publish import Publication
from pawl.errors import UsageError
from pawl.publish.publish import publish, targets_of
from pawl.store.client import Store
from pawl.workspace.paths import Workspace


def publish_tasks(
    workspace: Workspace, store: Store, tasks: Sequence[str]
) -> tuple[Publication, ...]:
    """Publish these tasks (none: all that have a target and a champion), one after the other.

    Raises:
        UsageError: one has no target or no champion; or none is left.
        RegistryError: a ledger cannot be read, or was altered.
    """
    params = workspace.params()
    if tasks:
        names = list(dict.fromkeys(tasks))
        for name in names:
            params.task(name)
        return tuple(publish(workspace, store, name) for name in names)
    found = []
    for name in (one for one in sorted(params.tasks) if targets_of(workspace, one)):
        try:
            found.append(publish(workspace, store, name))
        except UsageError:
            # A task without a champion has nothing to publish; who names it is told so.
            if len(params.tasks) == 1:
                raise
    if not found:
        raise UsageError(
            "no task has a target and a champion",
            rule="targets are in the list `serve` of params.yaml; what is published was released",
            remedy="add a target (docs/publish.md): `serve: [{kind: folder, path: …}]`",
        )
    return tuple(found)
