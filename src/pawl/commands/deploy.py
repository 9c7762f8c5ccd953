"""`prefect.yaml`, derived from the schedules in `params.yaml`: one deployment a task."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import yaml

from pawl.config.schema import Params, Task
from pawl.core.files import write_text
from pawl.errors import PawlError
from pawl.workspace.environment import quiet_environment
from pawl.workspace.paths import Workspace

POOL = "pawl"
ENTRYPOINT = "flows/retrain.py:retrain"
HEAD = "# Written by `pawl deploy` from the schedules in params.yaml: change them there.\n"


def render(params: Params) -> str:
    """The text of `prefect.yaml`. A task without a schedule runs when it is told to."""
    deployments = [_deployment(name, task) for name, task in params.tasks.items()]
    body = {"name": "pawl", "deployments": deployments}
    return HEAD + yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=100)


def deploy(workspace: Workspace, *, apply: bool = False) -> str:
    """Write `prefect.yaml`; with `apply` also make the work pool and the deployments in Prefect.

    Returns:
        What was done and what to do next, for a person.

    Raises:
        PawlError: Prefect refused, in its own words.
    """
    params = workspace.params()
    write_text(workspace.root / "prefect.yaml", render(params))
    names = ", ".join(params.tasks) or "none"
    if not apply:
        return f"prefect.yaml written, deployments: {names}\nnext: pawl deploy --apply"
    # One cycle at a time in a workspace: DVC fails where two run. The pool sees to it before a
    # run starts, the flow's own lock once it has.
    made = _prefect(workspace, "work-pool", "create", POOL, "--type", "process")
    if made.returncode == 0:
        _expect(_prefect(workspace, "work-pool", "set-concurrency-limit", POOL, "1"))
    elif "already exists" not in made.stdout:
        _expect(made)
    if params.tasks:
        _expect(_prefect(workspace, "--no-prompt", "deploy", "--all"))
    return f"deployed: {names}\nnext: pawl ui, and a worker: prefect worker start --pool {POOL}"


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


def _prefect(workspace: Workspace, *words: str) -> subprocess.CompletedProcess[str]:
    # `-m` and not the script: that is in no PATH that we know of.
    return subprocess.run(
        [sys.executable, "-m", "prefect", *words],
        cwd=workspace.root,
        env={**os.environ, **quiet_environment(workspace)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _expect(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode != 0:
        raise PawlError(
            f"`prefect {' '.join(done.args[3:])}` said: {' '.join(done.stdout.split())[-400:]}",
            rule="a task's schedule lives in Prefect as a deployment",
            remedy="see that the server at PREFECT_API_URL runs (`pawl ui` starts one)",
        )
