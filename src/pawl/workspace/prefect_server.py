"""Prefect's server as a process: its environment, and the temporary one of `pawl run`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from pawl.core.processes import started
from pawl.errors import PawlError
from pawl.workspace.environment import quiet_environment
from pawl.workspace.paths import Workspace
from pawl.workspace.prefect_api import AUTH, KEY, URL, make_key, read_key

HOST, APP = "127.0.0.1", "pawl.workspace.prefect_app"
# Seconds. A first Prefect start migrates its database: 25 s here, more on a busy machine.
START_TIMEOUT, HAND_OVER_TIMEOUT = 120.0, 10.0
# A proxy of the environment is not asked for what is on this machine.
DIRECT = build_opener(ProxyHandler({}))


def server_environment(workspace: Workspace, key: Path) -> dict[str, str]:
    """The environment of a server of this workspace; `key` is the file of its key."""
    environment = {**os.environ, **quiet_environment(workspace), KEY: str(key)}
    # It serves itself: the address or the key of another API is not for it.
    for name in (URL, AUTH):
        environment.pop(name, None)
    return environment


@contextmanager
def temporary_server(workspace: Workspace) -> Iterator[None]:
    """A Prefect server for this block and this process, which ends with either.

    Raises:
        PawlError: it did not start; the message names its log.
    """
    key = make_key(workspace)
    log = workspace.home / "logs" / "prefect-run.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    ended = ExitStack()
    # Bound here, so that no other process can take the port in between.
    with socket.create_server((HOST, 0)) as listener, log.open("ab") as file:
        url = f"http://{HOST}:{listener.getsockname()[1]}/api"
        server = started(
            [sys.executable, "-m", APP, str(listener.fileno())],
            cwd=workspace.root,
            env={**server_environment(workspace, key), "PREFECT_UI_ENABLED": "0"},
            pass_fds=(listener.fileno(),),
            stdout=file,
            stderr=file,
        )
        # Its session is its own: Ctrl-C is for this process, which ends the server last.
        process = ended.enter_context(server)
    with ended:
        try:
            # Answered when it is up: until then the connection waits in the socket's queue.
            DIRECT.open(f"{url}/health", timeout=START_TIMEOUT).close()
        except (URLError, OSError) as error:
            raise PawlError(
                f"Prefect's server did not start: {error}",
                rule="a cycle runs as a flow, which a Prefect server records",
                remedy=f"see {log}; `pawl doctor` names what is missing",
            ) from error
        with prefect_settings({URL: url, AUTH: read_key(key)}), _watched(process, log):
            try:
                yield
            finally:
                _hand_over()


@contextmanager
def _watched(server: subprocess.Popen[bytes], log: Path) -> Iterator[None]:
    """End this process if the server ends within: Prefect would try for minutes to reach it.

    As when this process is killed, guards then end what it has started, and the work is saved.
    """
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.5):
            if server.poll() is not None:
                error = PawlError(
                    f"Prefect's server of this run ended, with exit code {server.returncode}",
                    rule="a cycle runs as a flow, which a Prefect server records",
                    remedy=f"run the same command again: what was finished is saved; see {log}",
                )
                sys.stderr.write(f"\nerror: {error}\n")
                sys.stderr.flush()
                os._exit(error.exit_code)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        over.set()


@contextmanager
def prefect_settings(values: Mapping[str, str]) -> Iterator[None]:
    """Prefect's settings for a block: in its context, and for threads that have none."""
    import prefect.settings

    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        with prefect.settings.temporary_settings(
            {getattr(prefect.settings, name): value for name, value in values.items()}
        ):
            yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _hand_over() -> None:
    """Have Prefect's threads send what they still hold, while there is somebody to take it."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (APILogWorker, EventsWorker):
        worker.drain_all(timeout=HAND_OVER_TIMEOUT)
