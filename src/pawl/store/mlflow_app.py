"""MLflow's server for its own pages alone: `mlflow server --app-name pawl` (docs/adr/0024).

MLflow 3.17 refuses other hosts' pages, but lets any page on this machine write, whatever its port,
and takes `10.evil.example` for a private address. Its assistant lets whoever reaches the port
name a model and allow it a shell: three requests, and a command runs as the server's user.
"""

from __future__ import annotations

import os

from pawl.core.own_pages import OwnPages, named_hosts

ASSISTANT = "/ajax-api/3.0/mlflow/assistant"


def create() -> OwnPages:
    """The application for uvicorn; MLflow's own filters learn the names in `PAWL_HOSTS` too."""
    if named := named_hosts():
        origins = [f"{scheme}://{name}" for name in named for scheme in ("http", "https")]
        # What reaches this filter has passed the narrower one.
        os.environ.setdefault("MLFLOW_SERVER_ALLOWED_HOSTS", "*")
        os.environ.setdefault("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", ",".join(origins))
    # It takes them from the environment when it is imported.
    from mlflow.server.fastapi_app import app

    return OwnPages(app, closed=(ASSISTANT,))
