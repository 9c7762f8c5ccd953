"""What Prefect's server does by itself for a workspace: dead workers, crashed cycles, new data.

A worker that is killed says nothing: its run would stay "Running", and hold the place of the next,
for ever. Each run says every minute that it lives; who stays silent is marked as crashed, which
frees its place, and the cycle is started again: it goes on from its checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pawl.workspace.names import pool_name, shared_name

if TYPE_CHECKING:
    from prefect.events.schemas.automations import AutomationCore

# Seconds. A run says that it lives (`PREFECT_FLOWS_HEARTBEAT_FREQUENCY`); after a silence of
# several of them it is dead, and a moment later it is started again.
HEARTBEAT, SILENCE, AGAIN = 60, 300, 30
# A new version of a task's data, emitted by the flow `watch`.
CHANGED = "pawl.data.changed"
# How the name of a task's automation goes on after the pool's.
NEW_DATA = "new data of "
STATES = ("Pending", "Running", "heartbeat")
RUNS = {"prefect.resource.id": "prefect.flow-run.*"}


def task_resource(workspace: str | None, task: str) -> str:
    """A task as a resource of Prefect's events."""
    return f"pawl.task.{shared_name(workspace, task)}"


def automations(workspace: str | None, cycles: Mapping[str, UUID]) -> list[AutomationCore]:
    """The automations of a workspace; `cycles` are the ids of the tasks' deployments."""
    pool = pool_name(workspace)
    found = [_dead(pool), _again(pool)]
    for task, deployment in cycles.items():
        trigger = {
            "posture": "Reactive",
            "expect": [CHANGED],
            "match": {"prefect.resource.id": task_resource(workspace, task)},
        }
        start = {"type": "run-deployment", "source": "selected", "deployment_id": str(deployment)}
        about = f"A settled new version of its data starts a cycle of '{task}'."
        found.append(_automation(f"{pool}: {NEW_DATA}{task}", about, trigger, start))
    return found


def _dead(pool: str) -> AutomationCore:
    trigger = {
        "posture": "Proactive",
        "after": [f"prefect.flow-run.{name}" for name in STATES],
        # Every state, those with names of their own too: a run that has ended says no more.
        "expect": ["prefect.flow-run.*"],
        "match": RUNS,
        "match_related": _of(pool),
        "for_each": ["prefect.resource.id"],
        "within": SILENCE,
    }
    message = f"no word for {SILENCE:.0f} s: its worker is dead, or cut off from the server"
    crash = {"type": "change-flow-run-state", "state": "CRASHED", "message": message}
    about = "Marks a run as crashed whose worker died, which frees its place."
    return _automation(f"{pool}: a dead worker", about, trigger, crash)


def _again(pool: str) -> AutomationCore:
    cycle = {"prefect.resource.role": "flow", "prefect.resource.name": "retrain"}
    trigger = {
        "posture": "Reactive",
        "expect": ["prefect.flow-run.Crashed"],
        "match": RUNS,
        "match_related": [_of(pool), cycle],
        "for_each": ["prefect.resource.id"],
    }
    start = {"type": "run-deployment", "source": "inferred", "schedule_after": AGAIN}
    about = "Starts a crashed cycle again; it goes on from its last checkpoint."
    return _automation(f"{pool}: a crashed cycle", about, trigger, start)


def _of(pool: str) -> dict[str, str]:
    """What the events of this workspace's runs are related to, and no other's."""
    return {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{pool}"}


def _automation(
    name: str, about: str, trigger: Mapping[str, Any], action: Mapping[str, Any]
) -> AutomationCore:
    from prefect.events.schemas.automations import AutomationCore

    said = {"name": name, "description": about, "actions": [action]}
    core = AutomationCore.model_validate({**said, "trigger": {"type": "event", **trigger}})
    # All but the owner, which no update takes: the client leaves out what was not said, and a
    # server asks for some of that.
    return AutomationCore.model_validate(core.model_dump(mode="json", exclude={"owner_resource"}))
