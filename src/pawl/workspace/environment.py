"""Environment variables for Prefect, MLflow, DVC and the libraries that Pawl runs."""

from __future__ import annotations

import os

from pawl.workspace.paths import Workspace

SITE_CACHE = "DVC_SITE_CACHE_DIR"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def quiet_environment(workspace: Workspace) -> dict[str, str]:
    """Variables that put the tools' state under `.pawl/` and switch telemetry and chatter off.

    A variable that is already set keeps its value, but for two: `NO_PROXY` gets the names of this
    machine too, and Prefect starts no server by itself, which every page and user of this machine
    could use: `temporary_server` and `pawl ui` start those that ask for a key.
    """
    defaults = {
        "PREFECT_HOME": str(workspace.home / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        # How often a run says that it lives; see `pawl.workspace.prefect_automations`.
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "60",
        "DO_NOT_TRACK": "1",
        "DVC_NO_ANALYTICS": "1",
        SITE_CACHE: str(workspace.dvc_state),
        "GX_ANALYTICS_ENABLED": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_TRACKING_URI": workspace.tracking_uri,
        # Failures are raised as one error; MLflow would log a traceback of a page before.
        "MLFLOW_LOGGING_LEVEL": "CRITICAL",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        # The defaults, seven retries and 120 s, let a wrong address hang for minutes.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TOKENIZERS_PARALLELISM": "false",
        # Threads that spin while they wait starve other processes of the machine.
        "OMP_WAIT_POLICY": "PASSIVE",
        "TRANSFORMERS_VERBOSITY": "error",
        # Libraries warn of their own coming changes; no user can act on it.
        "PYTHONWARNINGS": "ignore::FutureWarning,ignore::DeprecationWarning",
    }
    found = {key: os.environ.get(key, value) for key, value in defaults.items()}
    # A server on this machine is not behind a proxy; programs read the one name or the other.
    direct = _direct(os.environ.get("no_proxy") or os.environ.get("NO_PROXY", ""))
    return {
        **found,
        "NO_PROXY": direct,
        "no_proxy": direct,
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
    }


def _direct(hosts: str) -> str:
    """What proxies are not asked for: `hosts`, separated by commas, and loopback."""
    names = [name.strip() for name in hosts.split(",") if name.strip()]
    # Alone it means every host; in a list it means nothing.
    return "*" if "*" in names else ",".join(dict.fromkeys([*names, *LOOPBACK]))
