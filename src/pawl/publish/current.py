"""The champion that is to be published, and the verified folders of its versions."""

from __future__ import annotations

from dataclasses import dataclass

from pawl.core.records import Champion
from pawl.errors import UsageError
from pawl.ledger.entries import Entry, State
from pawl.serve.releases import Releases, version_name
from pawl.store.client import Store
from pawl.workspace.paths import Workspace


@dataclass(frozen=True)
class Current:
    """A task's champion by its ledger, and the release that made it champion."""

    workspace: Workspace
    store: Store
    releases: Releases
    task: str
    state: State

    @property
    def champion(self) -> Champion:
        """The version that callers shall be answered by."""
        return self.state.champion

    @property
    def release(self) -> Entry:
        """The entry that made it champion."""
        return self.state.releases[-1]

    @property
    def name(self) -> str:
        """Its name, `TASK-vN`: never used for another, so that nothing stale can answer to it."""
        return version_name(self.task, self.champion)

    @property
    def previous(self) -> Champion | None:
        """What a rollback would release; it stays loaded."""
        return self.state.previous_champion()

    def name_of(self, champion: Champion) -> str:
        """The name of another version of the task."""
        return version_name(self.task, champion)


def read_current(
    workspace: Workspace, store: Store, task: str, *, releases: Releases | None = None
) -> Current:
    """Read a task's ledger.

    Raises:
        UsageError: the task has no champion yet.
        RegistryError: the ledger cannot be read, or was altered.
    """
    releases = releases or Releases(workspace, store)
    state = releases.read(task)
    if state.champion.version is None:
        raise UsageError(
            f"task '{task}' has no champion yet",
            rule="what is published was released",
            remedy=f"run `pawl run {task}`",
        )
    return Current(workspace, store, releases, task, state)
