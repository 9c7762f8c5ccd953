"""`pawl ui`: serve the MLflow and Prefect UIs of one workspace on loopback until Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pawl.errors import PawlError, UsageError
from pawl.store.addresses import displayed, is_sqlite
from pawl.workspace.environment import quiet_environment
from pawl.workspace.paths import Workspace

HOST = "127.0.0.1"
# Seconds. A first Prefect start migrates its database: 25 s here, more on a busy machine.
START_TIMEOUT = 120.0
STOP_TIMEOUT = 10.0


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
        UsageError: a port is taken.
        PawlError: a server did not come up, or died; the message ends with its last output.
    """
    servers = _servers(workspace, mlflow_port, prefect_port)
    for server in servers:
        _refuse_taken(server)
    with _stop_signals(), _running(workspace, servers) as processes:
        for server, process in processes:
            _wait_until_up(server, process)
        if len(servers) == 1:
            print(f"MLflow:  {displayed(workspace.tracking_uri)} (MLFLOW_TRACKING_URI)", flush=True)
        for server in servers:
            print(f"{server.name + ':':<8} {server.url}", flush=True)
        print("Ctrl-C stops them. A worker for scheduled cycles, in another terminal:")
        api = f"http://{HOST}:{prefect_port}/api"
        print(f"  PREFECT_API_URL={api} prefect worker start --pool pawl", flush=True)
        while True:
            for server, process in processes:
                if process.poll() is not None:
                    raise _died(server, process)
            time.sleep(0.5)


def _servers(workspace: Workspace, mlflow_port: int, prefect_port: int) -> list[Server]:
    """MLflow's server, unless the workspace uses one already, and Prefect's."""
    logs = workspace.home / "logs"
    bind = ("--host", HOST, "--port")
    command = ("-m", "prefect", "server", "start", *bind, str(prefect_port))
    prefect = Server("Prefect", prefect_port, command, "/api/health", logs / "prefect.log")
    if not is_sqlite(workspace.tracking_uri):
        return [prefect]
    start = (
        *("-m", "mlflow", "server", *bind, str(mlflow_port), "--workers", "1"),
        *("--backend-store-uri", workspace.tracking_uri),
        *("--serve-artifacts", "--artifacts-destination", f"{workspace.home}/artifacts"),
    )
    return [Server("MLflow", mlflow_port, start, "/health", logs / "mlflow.log"), prefect]


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
def _running(workspace: Workspace, servers: list[Server]) -> Iterator[list[Running]]:
    started: list[Running] = []
    try:
        for server in servers:
            started.append((server, _start(workspace, server)))
        yield started
    finally:
        for _, process in started:
            _signal(process, signal.SIGTERM)
        for _, process in started:
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_TIMEOUT)
            # Ends children that the server has left behind.
            _signal(process, signal.SIGKILL)
            process.wait()


def _start(workspace: Workspace, server: Server) -> subprocess.Popen[bytes]:
    server.log.parent.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        **quiet_environment(workspace),
        "PREFECT_UI_API_URL": f"{server.url}/api",
        # Its log is a file, so tracebacks are wanted.
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        # The trace and gateway jobs would be more processes, and nothing uses them.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    # Prefect's server refuses to start if this names another API.
    environment.pop("PREFECT_API_URL", None)
    with server.log.open("wb") as log:
        # A session of its own, so that Ctrl-C reaches only this process, which stops them in order.
        return subprocess.Popen(
            [sys.executable, *server.command],
            cwd=workspace.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait_until_up(server: Server, process: subprocess.Popen[bytes]) -> None:
    url, deadline = server.url + server.probe, time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise _died(server, process)
        # Refused, reset or too slow: not up yet. URLError is an OSError.
        with suppress(OSError), urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own URL
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


def _signal(process: subprocess.Popen[bytes], signum: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signum)
