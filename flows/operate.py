"""Flows around the cycle: release by hand, verify every night, watch for new data.

This file belongs to the workspace, like `retrain.py` beside it.
"""

from typing import Any, Literal

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.events import emit_event
from prefect.states import Completed, Failed

from pawl.cycle import operations
from pawl.errors import PawlError


@flow(flow_run_name="{action} {task}", persist_result=False)
def release(
    task: str,
    action: Literal["promote", "rollback"],
    reason: str,
    who: str,
    version: int | None = None,
    override: bool = False,
) -> Any:
    """Change a task's champion by hand.

    Args:
        task: The task.
        action: Release a version that the gate promoted, or an earlier champion again.
        reason: Why; it stays in the ledger for ever.
        who: Your name; it stays there, too.
        version: Which version; a rollback without one goes to the champion before.
        override: Promote though the gate did not say so; the release stays marked.
    """
    try:
        said = operations.release(
            task, action, reason=reason, who=who, version=version, override=override
        )
    except PawlError as error:
        return Failed(name="Refused", message=str(error))
    return Completed(name="Released", message=said)


@flow(persist_result=False)
def verify() -> Any:
    """Check every champion: its bytes, signature, evidence, ledger and alias."""
    found = operations.verify(get_run_logger())
    page = found.page
    create_markdown_artifact(page.markdown, key=page.key, description=page.description)
    if found.off:
        return Failed(name="Not as recorded", message=found.message)
    return Completed(name="Verified", message=found.message)


@flow(persist_result=False)
def watch() -> Any:
    """Look for new versions of the tasks' data; a settled one starts the task's cycle."""
    changed = operations.changed_data()
    for one in changed:
        emit_event(event=one.event, resource=one.resource, payload={"md5": one.md5})
        one.told()
    names = ", ".join(one.task for one in changed) or "nothing"
    return Completed(name="New data" if changed else "Unchanged", message=f"new: {names}")
