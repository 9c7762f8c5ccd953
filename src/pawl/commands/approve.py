"""`pawl approve`: one person's word for a candidate that passed the gate."""

from __future__ import annotations

from dataclasses import dataclass

from pawl.cycle.approved import approve_and_release
from pawl.ledger.entries import Entry
from pawl.ledger.provenance import author
from pawl.store.client import open_store
from pawl.workspace.names import shared_name, workspace_name
from pawl.workspace.paths import Workspace
from pawl.workspace.prefect_runs import end_suspended


@dataclass(frozen=True)
class Approved:
    """An approval: its ledger entry, that of the release (None: not yet), and a sentence."""

    task: str
    version: int
    entry: int
    released: int | None
    says: str


def approve(workspace: Workspace, task: str, version: int, reason: str) -> Approved:
    """Approve a version as the author of this workspace; with enough approvals it is released.

    Raises:
        UsageError, RegistryError: as `pawl.cycle.approved.approve_and_release`.
    """
    store, who = open_store(workspace), author(workspace)
    entry, then = approve_and_release(workspace, store, task, version, why=reason, who=who)
    if not isinstance(then, Entry):
        return Approved(task, version, entry.number, None, f"approved; {then.text}")
    deployment = f"retrain/{shared_name(workspace_name(workspace), task)}"
    message = f"champion: version {version}; approved"
    end_suspended(workspace, deployment, f"version-{version}-", message=message)
    says = f"{then.kind}: champion is version {version} now (ledger entry {then.number})"
    return Approved(task, version, entry.number, then.number, says)
