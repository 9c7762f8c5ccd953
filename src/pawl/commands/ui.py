"""`pawl ui`: the MLflow and Prefect pages of one workspace, on loopback, until Ctrl-C."""

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
from pawl.workspace.environment import quiet_environment
from pawl.workspace.paths import Workspace

HOST = "127.0.0.1"
# A first Prefect start migrates its database: 25 s here, more on a busy machine.
PATIENCE = 120.0
GRACE = 10.0


@dataclass(frozen=True)
class Server:
    """One server: `probe` is the URL that answers 200 once it is up, `option` names its port."""

    name: str
    port: int
    option: str
    command: tuple[str, ...]
    probe: str
    log: Path

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


def serve_ui(workspace: Workspace, *, mlflow_port: int = 5000, prefect_port: int = 4200) -> None:
    """Serve both UIs until Ctrl-C or SIGTERM; when one dies, the other is stopped too.

    Raises:
        UsageError: a port is taken.
        PawlError: a server did not come up, or died; the message ends with its last words.
    """
    servers = [_prefect(workspace, prefect_port)]
    if workspace.tracking_uri.startswith("sqlite:"):
        servers.insert(0, _mlflow(workspace, mlflow_port))
    for server in servers:
        _refuse_taken(server)
    with _stop_signals(), _running(workspace, servers) as processes:
        for server, process in processes:
            _await(server, process)
        if len(servers) == 1:
            print(f"MLflow:  {workspace.tracking_uri} (MLFLOW_TRACKING_URI)", flush=True)
        for server in servers:
            print(f"{server.name + ':':<8} {server.url}", flush=True)
        print("Ctrl-C stops them. A worker for scheduled cycles, in another terminal:")
        api = f"http://{HOST}:{prefect_port}/api"
        print(f"  PREFECT_API_URL={api} prefect worker start --pool pawl", flush=True)
        _watch(processes)


def _mlflow(workspace: Workspace, port: int) -> Server:
    return Server(
        name="MLflow",
        port=port,
        option="--mlflow-port",
        command=(
            *("-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"),
            *("--backend-store-uri", workspace.tracking_uri),
            *("--serve-artifacts", "--artifacts-destination", f"{workspace.home}/artifacts"),
        ),
        probe=f"http://{HOST}:{port}/health",
        log=workspace.home / "logs" / "mlflow.log",
    )


def _prefect(workspace: Workspace, port: int) -> Server:
    return Server(
        name="Prefect",
        port=port,
        option="--prefect-port",
        command=("-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)),
        probe=f"http://{HOST}:{port}/api/health",
        log=workspace.home / "logs" / "prefect.log",
    )


def _refuse_taken(server: Server) -> None:
    with socket.socket() as probe:
        # As the servers do: a port in TIME_WAIT from the last run is free to them.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, server.port))
        except OSError as error:
            raise UsageError(
                f"port {server.port} for {server.name} cannot be had: {error.strerror}",
                rule="each server needs a port of its own on loopback",
                remedy=f"name a free one: `pawl ui {server.option} N`",
            ) from error


@contextmanager
def _stop_signals() -> Iterator[None]:
    """Turn SIGTERM into the exception that Ctrl-C is, and end quietly on either."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        print("stopped", flush=True)
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _running(
    workspace: Workspace, servers: list[Server]
) -> Iterator[list[tuple[Server, subprocess.Popen[bytes]]]]:
    started: list[tuple[Server, subprocess.Popen[bytes]]] = []
    try:
        for server in servers:
            started.append((server, _start(workspace, server)))
        yield started
    finally:
        for _, process in started:
            _signal(process, signal.SIGTERM)
        for _, process in started:
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
            # Also what a server left behind of its own children.
            _signal(process, signal.SIGKILL)
            process.wait()


def _start(workspace: Workspace, server: Server) -> subprocess.Popen[bytes]:
    server.log.parent.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        **quiet_environment(workspace),
        "PREFECT_UI_API_URL": f"{server.url}/api",
        # Its log is a file, where tracebacks belong.
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        # Only its own pages speak to it: the trace and gateway jobs would be more processes.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    # The server is the thing itself here; pointed at another API it would refuse to start.
    environment.pop("PREFECT_API_URL", None)
    with server.log.open("wb") as log:
        # A session of its own, so that Ctrl-C reaches us alone and we stop them in order.
        return subprocess.Popen(
            [sys.executable, *server.command],
            cwd=workspace.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _await(server: Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise _died(server, process)
        if _answers(server.probe):
            return
        time.sleep(0.3)
    raise PawlError(
        f"{server.name} did not answer at {server.url} within {PATIENCE:.0f} s",
        rule="both servers answer before their addresses are shown",
        remedy=f"see {server.log}",
    )


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own URL, http
            return True
    except OSError:
        # URLError is one: refused, reset or too slow all mean "not yet".
        return False


def _watch(processes: list[tuple[Server, subprocess.Popen[bytes]]]) -> None:
    while True:
        for server, process in processes:
            if process.poll() is not None:
                raise _died(server, process)
        time.sleep(0.5)


def _died(server: Server, process: subprocess.Popen[bytes]) -> PawlError:
    words = server.log.read_text(encoding="utf-8", errors="replace").split()
    return PawlError(
        f"{server.name} ended with exit code {process.returncode}: …{' '.join(words)[-300:]}",
        rule="both servers run until they are stopped",
        remedy=f"see {server.log}; `pawl doctor` names what is missing",
    )


def _signal(process: subprocess.Popen[bytes], word: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, word)
