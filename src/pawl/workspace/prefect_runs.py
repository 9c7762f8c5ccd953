"""A run of a deployment among the others of it: late ones are skipped, a crash loop ends.

All of this is nothing where a run belongs to no deployment, as that of `pawl run`.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pawl.errors import PawlError, UsageError
from pawl.workspace.paths import Workspace
from pawl.workspace.prefect_api import api_settings
from pawl.workspace.prefect_server import prefect_settings

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

# How many runs are asked for at once, and how many crashes in a row are one too many.
PAGE, CRASHES = 200, 3
SKIPPED, AUTOMATION = "Skipped", "AUTOMATION"


def skip_late_runs() -> list[str]:
    """Skip the other runs of this run's deployment that are due and not begun; their names.

    A worker that was off for a week would else begin seven of them, one after the other, and a
    schedule that is shorter than a cycle would queue for ever. Runs that a person started stay.
    """
    if (here := _deployed()) is None:
        return []
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.objects import State, StateType

    flow_run, _ = here
    skipped = []
    with get_client(sync_client=True) as client:
        for other in _due(client, here):
            said = f"late: the run {flow_run} that began meanwhile does its work"
            state = State(type=StateType.CANCELLED, name=SKIPPED, message=said)
            client.set_flow_run_state(other.id, state, force=True)
            skipped.append(other.name)
    return skipped


def refuse_crash_loop() -> None:
    """Refuse to be the next of runs that have all crashed; one that a person starts is not.

    Raises:
        PawlError: an automation would start this one again and again.
    """
    if (here := _deployed()) is None:
        return
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        by = client.read_flow_run(here[0]).created_by
        last = _last(client, here) if by and by.type == AUTOMATION else []
    if len(last) == CRASHES and all(run.state_type == "CRASHED" for run in last):
        raise PawlError(
            f"the last {CRASHES} runs of this deployment crashed: {last[0].state.message}",
            rule="a crashed cycle is started again by itself, but not for ever",
            remedy="see their logs, and whether memory sufficed (`pawl plan`); then start it by "
            "hand, which counts anew",
        )


def refuse_superseded() -> None:
    """Refuse to go on in a run that is over for Prefect's server: another one does its work.

    So a worker that hung, or was cut off, releases nothing when it comes back.

    Raises:
        PawlError: the run was marked as crashed or cancelled, or the server cannot be asked.
    """
    if (here := _deployed()) is None:
        return
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectException

    rule = "a run that was given up releases nothing: another one may have done its work"
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(here[0]).state
    except (httpx.HTTPError, PrefectException) as error:
        raise PawlError(
            f"Prefect's server does not say whether this run still counts: {type(error).__name__}",
            rule=rule,
            remedy="once it answers, start the task again: what was finished is not done again",
        ) from None  # a traceback would show the address
    if state is None or state.type != "RUNNING":
        now = f"{state.name}: {state.message}" if state else "gone"
        raise PawlError(
            f"this run is {now}",
            rule=rule,
            remedy="nothing, if the task's next run has ended; else start it again",
        )


def person_says(key: str, seconds: int) -> tuple[str, str] | None:
    """Suspend this run until somebody types who they are and why on its page; returns both.

    Its worker is free meanwhile. None where it is a run of no deployment: nobody could resume it.
    """
    if _deployed() is None:
        return None
    from prefect import suspend_flow_run
    from prefect.input import RunInput

    class Approval(RunInput):
        """What a person types on the page of a suspended run, to have its candidate released."""

        who: str
        reason: str

    said: Any = suspend_flow_run(wait_for_input=Approval, timeout=seconds, key=key)
    return said.who, said.reason


def suspended_key() -> str | None:
    """The key that this run was last suspended with, None where it never was."""
    if (here := _deployed()) is None:
        return None
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        states = client.read_flow_run_states(here[0])
    keys = [one.state_details.pause_key for one in states if one.type == "PAUSED"]
    return keys[-1] if keys else None


def end_suspended(workspace: Workspace, deployment: str, key: str, *, message: str) -> int:
    """End the runs of a deployment that are suspended with a key that begins so; how many.

    Their candidate was released elsewhere. None where no Prefect server is known or answers: such
    a run ends when its time is over.
    """
    try:
        server = api_settings(workspace)
    except UsageError:
        return 0
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.client.schemas.objects import State, StateType
    from prefect.exceptions import PrefectException

    paused = FlowRunFilter.model_validate({"state": {"type": {"any_": ["PAUSED"]}}})
    ended = 0
    try:
        with prefect_settings(server), get_client(sync_client=True) as client:
            of = client.read_deployment_by_name(deployment)
            for run in client.read_flow_runs(flow_run_filter=paused, limit=PAGE):
                at = run.state and run.state.state_details.pause_key
                if run.deployment_id == of.id and str(at).startswith(key):
                    done = State(type=StateType.COMPLETED, name="Promoted", message=message)
                    client.set_flow_run_state(run.id, done, force=True)
                    ended += 1
    except (httpx.HTTPError, PrefectException):
        return ended
    return ended


def _deployed() -> tuple[Any, Any] | None:
    """The ids of this run and its deployment; None without them."""
    if "prefect" not in sys.modules:
        return None
    from prefect import runtime

    flow_run, deployment = runtime.flow_run.id, runtime.deployment.id
    return (flow_run, deployment) if flow_run and deployment else None


def _due(client: SyncPrefectClient, here: tuple[Any, Any]) -> list[Any]:
    """The other runs of the deployment that a schedule or an automation has made, due by now."""
    from prefect.client.schemas.filters import FlowRunFilter

    flow_run, deployment = here
    filters = FlowRunFilter.model_validate(
        {
            "deployment_id": {"any_": [deployment]},
            "state": {"type": {"any_": ["SCHEDULED"]}},
            "next_scheduled_start_time": {"before_": datetime.now(UTC)},
        }
    )
    found: list[Any] = []
    while page := client.read_flow_runs(flow_run_filter=filters, limit=PAGE, offset=len(found)):
        found += page
    return [one for one in found if str(one.id) != flow_run and _by_itself(one)]


def _by_itself(run: Any) -> bool:
    """Whether no person started a run; a paused or retried one goes on by itself."""
    if run.run_count > 0:
        return False
    return bool(run.auto_scheduled or (run.created_by and run.created_by.type == AUTOMATION))


def _last(client: SyncPrefectClient, here: tuple[Any, Any]) -> list[Any]:
    """The runs of the deployment that ended before this one, newest first."""
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.client.schemas.sorting import FlowRunSort

    filters = FlowRunFilter.model_validate(
        {
            "deployment_id": {"any_": [here[1]]},
            "state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED"]}},
        }
    )
    newest = FlowRunSort.END_TIME_DESC
    return client.read_flow_runs(flow_run_filter=filters, sort=newest, limit=CRASHES)
