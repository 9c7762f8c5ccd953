"""`pawl deploy`: write `prefect.yaml` from `params.yaml`, and register what is in it."""

from __future__ import annotations

import yaml

from pawl.commands.template import write_missing
from pawl.config.schema import Params
from pawl.core.files import write_text
from pawl.workspace.deployments import OPERATE, PULL, as_yaml, deployments
from pawl.workspace.names import pool_name
from pawl.workspace.paths import Workspace
from pawl.workspace.prefect_api import api_settings

HEAD = "# Written by `pawl deploy` from the schedules in params.yaml: change them there.\n"


def render(params: Params) -> str:
    """The text of `prefect.yaml`."""
    pool = pool_name(params.name)
    body = {
        "name": pool,
        "pull": [{PULL: {}}],
        "deployments": [as_yaml(one, pool) for one in deployments(params)],
    }
    return HEAD + yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=100)


def deploy(workspace: Workspace, *, apply: bool = False) -> str:
    """Write `prefect.yaml`; with `apply` also make Prefect's server know exactly what is in it.

    What was deployed of this workspace before and is no more is removed; nothing else is touched.
    Returns the text to print.

    Raises:
        UsageError: no Prefect server is known, or the name belongs to another workspace there.
        PawlError: Prefect failed; the error quotes its message.
    """
    params = workspace.params()
    write_missing(workspace, OPERATE)
    write_text(workspace.root / "prefect.yaml", render(params))
    names = ", ".join(params.tasks) or "none"
    if not apply:
        return f"prefect.yaml written, deployments: {names}\nnext: pawl deploy --apply"
    server = api_settings(workspace)
    from pawl.workspace.prefect_deploy import register

    gone = register(workspace, params, server)
    removed = f"\nremoved: {', '.join(gone)}" if gone else ""
    return f"deployed: {names}{removed}\nnext: pawl worker"
