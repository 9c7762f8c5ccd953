"""Real servers for the bench, thrown away after: MLflow, PostgreSQL, and a network that fails."""

from __future__ import annotations

import os
import pwd
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mlflow_server(folder: Path) -> Iterator[int]:
    """`mlflow server` on a SQLite file; yields its port once it answers."""
    port = free_port()
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


class BadNetwork:
    """A TCP proxy that, of each hundred exchanges, spoils a few: resets, delays, drops replies.

    A dropped reply is dropped after the server has answered, so after it has committed.
    """

    def __init__(self, target: int, *, seed: int, share: float) -> None:
        self.target, self.share = target, share
        self.done = dict.fromkeys(("reset", "delay", "drop"), 0)
        self._draw = random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> BadNetwork:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=60)
        except OSError:
            reset(client)
            return
        fate = {"kind": ""}
        threading.Thread(target=self._back, args=(server, client, fate), daemon=True).start()
        with suppress(OSError):
            while data := client.recv(1 << 16):
                if self._draw.random() < self.share:
                    kind = self._draw.choice(list(self.done))
                    self.done[kind] += 1
                    if kind == "reset":
                        break
                    if kind == "delay":
                        time.sleep(self._draw.uniform(0.1, 1.0))
                    fate["kind"] = kind
                server.sendall(data)
        if fate["kind"] != "drop":
            reset(client)
            server.close()

    def _back(self, server: socket.socket, client: socket.socket, fate: dict[str, str]) -> None:
        with suppress(OSError):
            while (data := server.recv(1 << 16)) and fate["kind"] != "drop":
                client.sendall(data)
        reset(client)
        server.close()


def reset(client: socket.socket) -> None:
    """End a connection by RST."""
    with suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.shutdown(socket.SHUT_RDWR)
    client.close()
