"""What of a workspace Prefect is to run, and when: the deployments of `prefect.yaml`. Pure.

A cycle a task (`retrain`), and a deployment each for releasing by hand, verifying every night and
watching for new data. Cycles wait in a queue of their own, one at a time, so that a rollback does
not wait for a training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pawl.config.schema import Params, Task
from pawl.workspace.names import pool_name, shared_name

RETRAIN, OPERATE = "flows/retrain.py", "flows/operate.py"
# The queue of cycles, and Prefect's own, which every pool has.
CYCLES, DEFAULT = "cycles", "default"
# What a worker runs before a flow: it goes to the workspace that it was started in.
PULL = "pawl.workspace.prefect_pull.enter_workspace"
NIGHTLY, OFTEN = "30 4 * * *", "*/5 * * * *"


@dataclass(frozen=True)
class Deployment:
    """A deployment; `cron` is in `timezone`, None: started by hand or by an event.

    `only` is how many of its runs may go on at once; a further one waits.
    """

    flow: str
    name: str
    description: str
    file: str
    queue: str
    cron: str | None = None
    timezone: str = "UTC"
    task: str | None = None
    only: int | None = None

    @property
    def entrypoint(self) -> str:
        return f"{self.file}:{self.flow}"

    @property
    def parameters(self) -> dict[str, str]:
        return {"task": self.task} if self.task else {}


def deployments(params: Params) -> tuple[Deployment, ...]:
    """All deployments of a workspace; none without tasks.

    A task without a schedule runs only when started by hand.
    """
    if not params.tasks:
        return ()
    pool = pool_name(params.name)
    cycles = [_cycle(params.name, name, task) for name, task in params.tasks.items()]
    release = Deployment(
        "release", pool, "Promotes a version, or rolls back; who and why are recorded.",
        OPERATE, DEFAULT,
    )  # fmt: skip
    verify = Deployment(
        "verify", pool, "Checks every champion's bytes, signature, evidence, ledger and alias.",
        OPERATE, DEFAULT, cron=NIGHTLY, only=1,
    )  # fmt: skip
    watch = Deployment(
        "watch", pool, "Looks for new versions of data; a settled one starts the task's cycle.",
        OPERATE, DEFAULT, cron=OFTEN, only=1,
    )  # fmt: skip
    watched = any(task.schedule and task.schedule.on_change for task in params.tasks.values())
    return (*cycles, release, verify, *([watch] if watched else []))


def as_yaml(deployment: Deployment, pool: str) -> dict[str, Any]:
    """A deployment as `prefect.yaml` has it."""
    found: dict[str, Any] = {
        "name": deployment.name,
        "description": deployment.description,
        "entrypoint": deployment.entrypoint,
        "tags": [pool],
        "parameters": deployment.parameters,
        "schedules": [],
        "work_pool": {"name": pool, "work_queue_name": deployment.queue},
    }
    if deployment.only:
        limit = {"limit": deployment.only, "collision_strategy": "ENQUEUE"}
        found["concurrency_limit"] = limit
    if deployment.cron:
        found["schedules"] = [{"cron": deployment.cron, "timezone": deployment.timezone}]
    return found


def _cycle(workspace: str | None, name: str, task: Task) -> Deployment:
    when = task.schedule
    return Deployment(
        flow="retrain",
        name=shared_name(workspace, name),
        description=f"Retrains the adapter of task '{name}' and releases it if it is better.",
        file=RETRAIN,
        queue=CYCLES,
        cron=when.cron if when else None,
        timezone=when.timezone if when else "UTC",
        task=name,
        only=1,
    )
