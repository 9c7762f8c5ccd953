"""`pawl ui`: serve the MLflow and Prefect UIs of one workspace on loopback until Ctrl-C.

Both answer their own pages and programs of this machine only; Prefect's API also asks for a key,
for whoever may use it may run commands (docs/adr/0024).
"""

from __future__ import annotations

import json
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pawl.core.processes import started
from pawl.errors import PawlError, UsageError
from pawl.store.addresses import displayed
from pawl.store.artifact_places import artifacts_folder
from pawl.store.descriptions import runs_page
from pawl.workspace.names import shared_name
from pawl.workspace.paths import Workspace
from pawl.workspace.prefect_api import announced, make_key
from pawl.workspace.prefect_server import (
    APP,
    DIRECT,
    HOST,
    START_TIMEOUT,
    server_environment,
)

MLFLOW = "MLflow"


@dataclass(frozen=True)
class Server:
    """One server; the path `probe` returns 200 once it is up."""

    name: str
    port: int
    command: tuple[str, ...]
    probe: str
    log: Path

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


Running = tuple[Server, subprocess.Popen[bytes]]


def serve_ui(workspace: Workspace, *, mlflow_port: int = 5000, prefect_port: int = 4200) -> None:
    """Serve both UIs until Ctrl-C or SIGTERM; when one dies, the other is stopped too.

    Raises:
        UsageError: a port is taken, `pawl ui` runs here already, or Prefect's key cannot be used.
        PawlError: a server did not come up, or died; the message ends with its last output.
    """
    servers = _servers(workspace, mlflow_port, prefect_port)
    for server in servers:
        _refuse_taken(server)
    key = make_key(workspace)
    with (
        _stop_signals(),
        _running(workspace, servers, key) as processes,
        announced(workspace, f"{servers[-1].url}/api"),
    ):
        for server, process in processes:
            _wait_until_up(server, process)
        _tell(workspace, servers, key)
        while True:
            for server, process in processes:
                if process.poll() is not None:
                    raise _died(server, process)
            time.sleep(0.5)


def _tell(workspace: Workspace, servers: list[Server], key: Path) -> None:
    if len(servers) == 1:
        print(f"MLflow:  {displayed(workspace.tracking_uri)} (MLFLOW_TRACKING_URI)")
    for server in servers:
        print(f"{server.name + ':':<8} {server.url}")
        if server.name == MLFLOW:
            for task, page in _task_pages(workspace, server):
                print(f"  {task}: {page}")
    print(f"Prefect's page asks for a password: the line in {key}")
    here = Path.cwd().resolve().is_relative_to(workspace.root.resolve())
    pawl = "pawl" if here else f"pawl -C {shlex.quote(str(workspace.root))}"
    print("Ctrl-C stops them. Scheduled cycles, in another terminal:")
    print(f"  {pawl} deploy --apply && {pawl} worker", flush=True)


def _task_pages(workspace: Workspace, server: Server) -> Iterator[tuple[str, str]]:
    """Where MLflow shows the cycles of each task that has had one."""
    params = workspace.params()
    for task in params.tasks:
        name = shared_name(params.name, task)
        url = f"{server.url}/api/2.0/mlflow/experiments/get-by-name?experiment_name={name}"
        # Not found: no cycle yet. What goes wrong otherwise is no reason to show no address.
        with suppress(OSError, ValueError, KeyError), DIRECT.open(url, timeout=5) as answer:
            experiment = json.load(answer)["experiment"]["experiment_id"]
            yield task, f"{server.url}/{runs_page(experiment)}"


def _servers(workspace: Workspace, mlflow_port: int, prefect_port: int) -> list[Server]:
    """MLflow's server, unless the workspace uses one already, and Prefect's."""
    logs = workspace.home / "logs"
    bind = ("--host", HOST, "--port")
    uvicorn = ("-m", "uvicorn", "--factory", f"{APP}:create", "--log-level", "warning")
    command = (*uvicorn, *bind, str(prefect_port))
    prefect = Server("Prefect", prefect_port, command, "/api/health", logs / "prefect.log")
    if (artifacts := artifacts_folder(workspace.tracking_uri)) is None:
        return [prefect]
    start = (
        *("-m", "mlflow", "server", *bind, str(mlflow_port), "--workers", "1"),
        *("--backend-store-uri", workspace.tracking_uri),
        *("--app-name", "pawl", "--serve-artifacts"),
        *("--artifacts-destination", artifacts.as_uri()),
    )
    return [Server(MLFLOW, mlflow_port, start, "/health", logs / "mlflow.log"), prefect]


def _refuse_taken(server: Server) -> None:
    with socket.socket() as probe:
        # As the servers bind: a port in TIME_WAIT from the last run is free for them.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, server.port))
        except OSError as error:
            raise UsageError(
                f"port {server.port} for {server.name} is not free: {error.strerror}",
                rule="each server needs a port of its own on loopback",
                remedy=f"name a free one: `pawl ui --{server.name.lower()}-port N`",
            ) from error


@contextmanager
def _stop_signals() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C, and end the block quietly on either."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        print("stopped", flush=True)
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def _running(workspace: Workspace, servers: list[Server], key: Path) -> Iterator[list[Running]]:
    with ExitStack() as ends:
        yield [(server, ends.enter_context(_start(workspace, server, key))) for server in servers]


@contextmanager
def _start(workspace: Workspace, server: Server, key: Path) -> Iterator[subprocess.Popen[bytes]]:
    server.log.parent.mkdir(parents=True, exist_ok=True)
    environment = {
        **server_environment(workspace, key),
        "PREFECT_UI_API_URL": f"{server.url}/api",
        # Its log is a file, so tracebacks are wanted.
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        # The trace and gateway jobs would be more processes, and nothing uses them.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    # Its session is its own: Ctrl-C reaches only this process, which stops them in order.
    with (
        server.log.open("wb") as log,
        started(
            [sys.executable, *server.command],
            cwd=workspace.root,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        yield process


def _wait_until_up(server: Server, process: subprocess.Popen[bytes]) -> None:
    url, deadline = server.url + server.probe, time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise _died(server, process)
        # Refused, reset or too slow: not up yet. URLError is an OSError.
        with suppress(OSError), DIRECT.open(url, timeout=2):
            return
        time.sleep(0.3)
    raise PawlError(
        f"{server.name} did not respond at {server.url} within {START_TIMEOUT:.0f} s",
        rule="both servers respond before their addresses are shown",
        remedy=f"see {server.log}",
    )


def _died(server: Server, process: subprocess.Popen[bytes]) -> PawlError:
    output = server.log.read_text(encoding="utf-8", errors="replace").split()
    return PawlError(
        f"{server.name} ended with exit code {process.returncode}: …{' '.join(output)[-300:]}",
        rule="both servers run until they are stopped",
        remedy=f"see {server.log}; `pawl doctor` names what is missing",
    )
