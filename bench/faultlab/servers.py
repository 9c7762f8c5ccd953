"""Real servers for the bench, thrown away after: MLflow, PostgreSQL, and a network that fails."""

from __future__ import annotations

import multiprocessing
import os
import pwd
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from proxy import Proxy

FORK = multiprocessing.get_context("fork")
POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mlflow_server(folder: Path) -> Iterator[int]:
    """`mlflow server` on a SQLite file; yields its port once it answers."""
    port = free_port()
    # One worker: see infra/compose.yaml.
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/remote.db"]
    command += ["--artifacts-destination", str(folder / "remote")]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=environment, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 90
        while True:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health"):
                break
            if time.monotonic() > deadline:
                raise RuntimeError((folder / "server.log").read_text()[-2000:])
            time.sleep(0.3)
        yield port
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


@contextmanager
def postgres() -> Iterator[str | None]:
    """A cluster of its own in a temporary folder; yields its URI, None where Debian's is absent."""
    if not POSTGRES:
        yield None
        return
    tools, port = POSTGRES[-1], free_port()
    home = Path(tempfile.mkdtemp(prefix="pawl-pg-"))
    become = {}
    if os.getuid() == 0:
        # It refuses to run as root.
        who = pwd.getpwnam("nobody")
        os.chown(home, who.pw_uid, who.pw_gid)
        become = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": home, **become}
    data = str(home / "data")
    subprocess.run(
        [tools / "initdb", "-D", data, "-U", "pawl", "-A", "trust", "--no-locale", "-E", "UTF8"],
        **quiet,
    )
    options = f"-p {port} -k {home} -c listen_addresses=127.0.0.1 -c max_connections=200"
    command = [tools / "pg_ctl", "-D", data, "-w", "-l", str(home / "log"), "-o", options]
    subprocess.run([*command, "start"], **quiet)
    try:
        subprocess.run(
            [tools / "createdb", "-h", home, "-p", str(port), "-U", "pawl", "m"], **quiet
        )
        yield f"postgresql+psycopg2://pawl@127.0.0.1:{port}/m"
    finally:
        subprocess.run([*command, "-m", "immediate", "stop"], **quiet)
        shutil.rmtree(home, ignore_errors=True)


def break_session(uri: str) -> None:
    """End one session of the cluster, whatever it is doing, as a failing network would."""
    port = uri.rsplit(":", 1)[1].split("/")[0]
    query = (
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = 'm' and pid <> pg_backend_pid() order by state = 'idle', random() limit 1"
    )
    command = [str(POSTGRES[-1] / "psql"), "-h", "127.0.0.1", "-p", port, "-U", "pawl", "-c", query]
    subprocess.run([*command, "m"], check=True, stdout=subprocess.DEVNULL, cwd="/")


class BadNetwork(Proxy):
    """A network that resets, delays or drops the replies of a share of all requests, by chance.

    It runs in a process of its own, so that workers that are forked off hold none of its
    connections open.
    """

    KINDS = ("reset", "delay", "drop")

    def __init__(self, target: int, *, seed: int, share: float) -> None:
        super().__init__(target)
        self._draw, self._share = random.Random(seed), share
        self._counts = FORK.RawArray("q", len(self.KINDS))
        self._process = FORK.Process(target=self.serve, daemon=True)

    @property
    def done(self) -> dict[str, int]:
        """How many requests met with what."""
        return dict(zip(self.KINDS, self._counts, strict=True))

    def fate(self, request: bytes) -> str:  # noqa: ARG002 - any request may meet with it
        if self._draw.random() >= self._share:
            return ""
        kind = self._draw.choice(self.KINDS)
        self._counts[self.KINDS.index(kind)] += 1
        return kind

    def __enter__(self) -> BadNetwork:
        self._process.start()
        self.listener.close()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()
