"""`pawl worker`: start the scheduled cycles of this workspace on this machine, until Ctrl-C."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from pawl.workspace.environment import quiet_environment
from pawl.workspace.names import pool_name
from pawl.workspace.paths import Workspace
from pawl.workspace.prefect_api import api_environment
from pawl.workspace.prefect_pull import PLACE


def work(workspace: Workspace) -> NoReturn:
    """Become Prefect's worker for the workspace's pool, with the server's address and key.

    Raises:
        UsageError: no Prefect server is known, or its key cannot be read.
    """
    # The key goes by the environment: everybody on the machine can read a process's arguments.
    environment = {**os.environ, **quiet_environment(workspace), **api_environment(workspace)}
    environment[PLACE] = str(workspace.root.resolve())
    pool = pool_name(workspace.params().name)
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool]
    os.chdir(workspace.root)
    sys.stdout.flush()
    os.execve(command[0], command, environment)  # noqa: S606 - our own interpreter, no shell
