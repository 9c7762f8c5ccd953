"""Prefect's server with a key, and for its own pages alone.

Prefect 3.8 by itself answers everybody: any web page, and any user of the machine, may have it run
commands. Served for good, and as the server of one `pawl run` on a socket that it is handed:

    PAWL_PREFECT_KEY=FILE python -m uvicorn --factory pawl.workspace.prefect_app:create
    PAWL_PREFECT_KEY=FILE python -m pawl.workspace.prefect_app DESCRIPTOR
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from pawl.core.own_pages import OwnPages
from pawl.workspace.prefect_api import KEY, read_key


def create(*, temporary: bool = False) -> OwnPages:
    """The application for uvicorn; a temporary one has no user interface and no scheduler.

    Raises:
        UsageError: there is no key, or others may read it.
    """
    # Prefect takes its settings from the environment when it is imported.
    os.environ["PREFECT_SERVER_API_AUTH_STRING"] = read_key(Path(os.environ.get(KEY, "")))
    from prefect.server.api.server import create_app

    return OwnPages(create_app(final=True, ephemeral=temporary))


def _serve(descriptor: int) -> None:
    import uvicorn

    config = uvicorn.Config(create(temporary=True), log_level="error", lifespan="on")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
