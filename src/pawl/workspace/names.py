"""Names on servers that several workspaces share: they begin with the workspace's own.

Two workspaces with a task `tickets` would replace each other's deployment, and write one ledger.
A workspace of Pawl 0.1 has no name: its tasks' names stand alone, until `pawl name` gives it one.
"""

from __future__ import annotations

from pawl.config.load import read_name
from pawl.workspace.paths import Workspace


def workspace_name(workspace: Workspace) -> str | None:
    """The workspace's name in `params.yaml`, None if it has none; raises `ParamsError`."""
    return read_name(workspace.params_file)


def shared_name(workspace: str | None, task: str) -> str:
    """The name of a task, or of its ledger, on a shared server; neither name has a dot."""
    return task if workspace is None else f"{workspace}.{task}"


def artifact_key(workspace: str | None, kind: str, task: str) -> str:
    """The key of a task's page in Prefect, which takes lower-case letters, digits and dashes."""
    name = task.replace("_", "-")
    return f"{kind}-{name}" if workspace is None else f"{kind}-{workspace}--{name}"


def pool_name(workspace: str | None) -> str:
    """The name of the work pool of a workspace's cycles."""
    return "pawl" if workspace is None else f"pawl-{workspace}"
