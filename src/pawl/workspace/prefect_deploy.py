"""Have a Prefect server know a workspace's pool, deployments and automations, and no others of it.

What is registered again is replaced and never doubled; what a person paused stays paused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pawl.config.schema import Params
from pawl.errors import PawlError, UsageError
from pawl.workspace.deployments import CYCLES, PULL, Deployment, deployments
from pawl.workspace.names import pool_name
from pawl.workspace.paths import Workspace
from pawl.workspace.prefect_api import KEY
from pawl.workspace.prefect_automations import NEW_DATA, automations
from pawl.workspace.prefect_server import prefect_settings

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.responses import DeploymentResponse

# How many deployments are asked for at once, the most that a server sends.
PAGE = 200
# The pool of workspaces without a name; there a deployment is known by the folder it came from.
SHARED = pool_name(None)
Found = dict[tuple[str, str], "DeploymentResponse"]


def register(workspace: Workspace, params: Params, server: Mapping[str, str]) -> tuple[str, ...]:
    """Register all deployments; returns the names of those of before that were removed.

    `server` are the variables with which the server is reached.

    Raises:
        UsageError: a deployment of this name there is another workspace's, or a flow's file is
            gone.
        PawlError: Prefect failed; the error quotes its message.
    """
    import httpx
    from prefect.exceptions import PrefectException

    wanted = deployments(params)
    for one in wanted:
        if not (workspace.root / one.file).is_file():
            raise UsageError(
                f"{one.file} is not there",
                rule="a workspace has its own flows",
                remedy="restore the file from git; `pawl init` writes it in a new workspace",
            )
    try:
        with prefect_settings(server):
            return asyncio.run(_register(workspace, params.name, wanted))
    except (httpx.HTTPError, PrefectException) as error:
        said = " ".join(str(error).split())[-400:] or type(error).__name__
        raise PawlError(
            f"Prefect could not take the deployments: {said}",
            rule="a task's schedule is a deployment in Prefect",
            remedy="see that the server at PREFECT_API_URL runs (`pawl ui` starts one), and that "
            f"{KEY} names the file of its key",
        ) from None  # a traceback would show the address


async def _register(
    workspace: Workspace, name: str | None, wanted: tuple[Deployment, ...]
) -> tuple[str, ...]:
    from prefect.client.orchestration import get_client

    async with get_client() as client:
        present = await _present(client, pool_name(name))
        _refuse_foreign(workspace, name, wanted, present)
        await _make_pool(client, pool_name(name))
        ids = {}
        for one in wanted:
            old = present.get((one.flow, one.name))
            ids[one] = await _deploy(client, workspace, pool_name(name), one, old)
        gone = []
        keys = {(one.flow, one.name) for one in wanted}
        for key, old in present.items():
            if key not in keys and _is_own(old, workspace, name):
                await client.delete_deployment(old.id)
                gone.append("/".join(key))
        await _automate(client, name, {one.task: ids[one] for one in wanted if one.task})
        return tuple(gone)


async def _present(client: PrefectClient, pool: str) -> Found:
    """The deployments of the flows of Pawl in the pool, or in that of workspaces without a name."""
    from prefect.client.schemas.filters import WorkPoolFilter, WorkPoolFilterName

    pools = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool, SHARED]))
    found: list[Any] = []
    while page := await client.read_deployments(
        work_pool_filter=pools, limit=PAGE, offset=len(found)
    ):
        found += page
    flows = {one.flow_id: (await client.read_flow(one.flow_id)).name for one in _each_flow(found)}
    return {(flows[one.flow_id], one.name): one for one in found}


def _each_flow(found: list[DeploymentResponse]) -> list[DeploymentResponse]:
    return list({one.flow_id: one for one in found}.values())


def _refuse_foreign(
    workspace: Workspace, name: str | None, wanted: tuple[Deployment, ...], present: Found
) -> None:
    """Refuse to replace a deployment that another workspace made."""
    for one in wanted:
        old = present.get((one.flow, one.name))
        if old is not None and not _is_own(old, workspace, name):
            raise UsageError(
                f"the deployment '{one.flow}/{one.name}' on this server is that of the workspace "
                f"{_place(old) or 'of somebody else'}",
                rule="workspaces that share a server have names of their own",
                remedy="give this one a name: `pawl name NAME`, then deploy again; or, if the "
                f"other one has moved here: `prefect deployment delete '{one.flow}/{one.name}'`",
            )


def _is_own(found: DeploymentResponse, workspace: Workspace, name: str | None) -> bool:
    """Whether a deployment is this workspace's, also one from before it had a name."""
    if name is not None and found.work_pool_name == pool_name(name):
        return True
    here = str(workspace.root.resolve())
    return found.work_pool_name == SHARED and _place(found) == here


def _place(found: DeploymentResponse) -> str | None:
    """The folder that a deployment was made from, as its first step of pulling says."""
    for step in found.pull_steps or ():
        for inputs in step.values():
            if isinstance(inputs, dict) and "directory" in inputs:
                return str(inputs["directory"])
    return found.path


async def _make_pool(client: PrefectClient, pool: str) -> None:
    """The pool, with a queue in which one cycle goes on at a time, unless a person set more."""
    from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
    from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

    limit = 1
    try:
        await client.create_work_pool(
            WorkPoolCreate.model_validate({"name": pool, "type": "process"})
        )
    except ObjectAlreadyExists:
        # Pawl 0.1 limited the whole pool: a rollback waited there for a training.
        limit = (await client.read_work_pool(pool)).concurrency_limit or 1
    try:
        await client.read_work_queue_by_name(CYCLES, work_pool_name=pool)
    except ObjectNotFound:
        await client.create_work_queue(
            CYCLES, concurrency_limit=limit, priority=2, work_pool_name=pool,
            description="Cycles, one a GPU; raise the limit where there are more.",
        )  # fmt: skip
        await client.update_work_pool(
            pool, WorkPoolUpdate.model_validate({"concurrency_limit": None})
        )


async def _deploy(
    client: PrefectClient,
    workspace: Workspace,
    pool: str,
    one: Deployment,
    old: DeploymentResponse | None,
) -> Any:
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.objects import ConcurrencyOptions
    from prefect.client.schemas.schedules import CronSchedule
    from prefect.utilities.callables import parameter_schema_from_entrypoint

    form = parameter_schema_from_entrypoint(str(workspace.root / one.entrypoint))
    paused = {_when(each) for each in (old.schedules if old else ()) if not each.active}
    schedules = []
    if one.cron:
        schedule = CronSchedule(cron=one.cron, timezone=one.timezone)
        active = (one.cron, one.timezone) not in paused
        schedules = [DeploymentScheduleCreate(schedule=schedule, active=active)]
    options = {"collision_strategy": "ENQUEUE"} if one.only else None
    return await client.create_deployment(
        flow_id=await client.create_flow_from_name(one.flow),
        name=one.name,
        description=one.description,
        entrypoint=one.entrypoint,
        parameters=dict(one.parameters),
        schedules=schedules,
        concurrency_limit=one.only,
        concurrency_options=ConcurrencyOptions.model_validate(options) if options else None,
        tags=[pool],
        work_pool_name=pool,
        work_queue_name=one.queue,
        paused=old.paused if old else False,
        pull_steps=[{PULL: {"directory": str(workspace.root.resolve())}}],
        parameter_openapi_schema=form.model_dump(),
        enforce_parameter_schema=True,
    )


def _when(schedule: Any) -> tuple[str | None, str | None]:
    kind = schedule.schedule
    return getattr(kind, "cron", None), getattr(kind, "timezone", None)


async def _automate(client: PrefectClient, name: str | None, cycles: Mapping[str, Any]) -> None:
    """The workspace's automations, each once; what a person switched off stays off.

    Those of tasks that are gone go; of a workspace without a name it is not known whose they are.
    """
    of_a_task = f"{pool_name(name)}: {NEW_DATA}"
    wanted = {one.name: one for one in automations(name, cycles)}
    present: list[Any] = []
    while page := await client.read_automations(limit=PAGE, offset=len(present)):
        present += page
    for old in present:
        if (new := wanted.pop(old.name, None)) is not None:
            new.enabled = old.enabled
            await client.update_automation(old.id, new)
        elif name is not None and old.name.startswith(of_a_task):
            await client.delete_automation(old.id)
    for one in wanted.values():
        await client.create_automation(one)
