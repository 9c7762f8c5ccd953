"""`pawl deploy`: write `prefect.yaml` from the schedules in `params.yaml`, a deployment a task."""

from __future__ import annotations

import os
import sys
from functools import partial
from subprocess import PIPE, STDOUT, CompletedProcess, run
from typing import Any

import yaml

from pawl.config.schema import Params, Task
from pawl.core.files import write_text
from pawl.errors import PawlError
from pawl.workspace.environment import quiet_environment
from pawl.workspace.paths import Workspace
from pawl.workspace.prefect_api import KEY, api_environment

POOL = "pawl"
ENTRYPOINT = "flows/retrain.py:retrain"
HEAD = "# Written by `pawl deploy` from the schedules in params.yaml: change them there.\n"


def render(params: Params) -> str:
    """The text of `prefect.yaml`. A task without a schedule runs only when started by hand."""
    deployments = [_deployment(name, task) for name, task in params.tasks.items()]
    body = {"name": "pawl", "deployments": deployments}
    return HEAD + yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=100)


def deploy(workspace: Workspace, *, apply: bool = False) -> str:
    """Write `prefect.yaml`; with `apply` also create the work pool and the deployments in Prefect.

    Returns the text to print.

    Raises:
        UsageError: no Prefect server is known.
        PawlError: Prefect failed; the error quotes its message.
    """
    params = workspace.params()
    write_text(workspace.root / "prefect.yaml", render(params))
    names = ", ".join(params.tasks) or "none"
    if not apply:
        return f"prefect.yaml written, deployments: {names}\nnext: pawl deploy --apply"
    environment = {**os.environ, **quiet_environment(workspace), **api_environment(workspace)}
    prefect = partial(_prefect, workspace, environment)
    # One cycle at a time in a workspace: the pool delays a second run, the flow's lock one that
    # has started all the same.
    made = prefect("work-pool", "create", POOL, "--type", "process")
    if made.returncode == 0:
        _check(prefect("work-pool", "set-concurrency-limit", POOL, "1"))
    elif "already exists" not in made.stdout:
        _check(made)
    if params.tasks:
        _check(prefect("--no-prompt", "deploy", "--all"))
    return f"deployed: {names}\nnext: pawl worker"


def _deployment(name: str, task: Task) -> dict[str, Any]:
    when = task.schedule
    return {
        "name": name,
        "description": f"Retrains the adapter of task '{name}' and releases it if it is better.",
        "entrypoint": ENTRYPOINT,
        "parameters": {"task": name},
        "concurrency_limit": {"limit": 1, "collision_strategy": "ENQUEUE"},
        "schedules": [{"cron": when.cron, "timezone": when.timezone}] if when else [],
        "work_pool": {"name": POOL},
    }


def _prefect(
    workspace: Workspace, environment: dict[str, str], *words: str
) -> CompletedProcess[str]:
    # `-m`, for the script may not be on the PATH.
    command = [sys.executable, "-m", "prefect", *words]
    return run(command, cwd=workspace.root, env=environment, stdout=PIPE, stderr=STDOUT, text=True)


def _check(done: CompletedProcess[str]) -> None:
    if done.returncode != 0:
        raise PawlError(
            f"`prefect {' '.join(done.args[3:])}` failed: {' '.join(done.stdout.split())[-400:]}",
            rule="a task's schedule is a deployment in Prefect",
            remedy="see that the server at PREFECT_API_URL runs (`pawl ui` starts one), and that "
            f"{KEY} names the file of its key",
        )
