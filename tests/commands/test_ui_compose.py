"""The servers of infra/compose.yaml, started by its own command lines: they ask for the key too."""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from servers import basic, free_ports, status

ROOT = Path(__file__).parents[2]
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text())["services"]
KEY = "pawl:" + "5" * 64


@contextmanager
def service(name: str, folder: Path, **more: str) -> Iterator[str]:
    """One of the servers on a free port of loopback, with what is in a container below `folder`."""
    port = free_ports()[0]
    command = shlex.split(SERVICES[name]["command"])
    command[0:1] = [sys.executable] if command[0] == "python" else [sys.executable, "-m", "mlflow"]
    placed = {"0.0.0.0": "127.0.0.1", "5000": str(port), "4200": str(port),
              "/artifacts": str(folder / "artifacts")}  # fmt: skip
    environment = {"PATH": "", "HOME": str(folder)}
    for key, value in SERVICES[name]["environment"].items():
        environment[key] = "" if value.startswith("$") else value.replace("/prefect", str(folder))
    process = subprocess.Popen(
        [placed.get(word, word) for word in command],
        cwd=folder,
        env={**environment, **more},
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120
        with suppress(OSError):
            while process.poll() is None and time.monotonic() < deadline:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.3)
        assert process.poll() is None
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.server
def test_prefect_of_compose_asks_for_the_key_and_answers_named_hosts_only(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(f"{KEY}\n")
    key.chmod(0o600)
    with service("prefect", tmp_path, PAWL_PREFECT_KEY=str(key), PAWL_HOSTS="p.example") as url:
        assert status(url, "GET", "/api/version", {}) == 401
        assert status(url, "GET", "/api/version", basic(KEY)) == 200
        for origin, expected in (("https://p.example", 200), ("https://q.example", 403)):
            sent = {"Host": "p.example", "Origin": origin, **basic(KEY)}
            assert status(url, "GET", "/api/version", sent) == expected


@pytest.mark.server
def test_prefect_of_compose_does_not_start_without_a_key(tmp_path: Path) -> None:
    with pytest.raises(AssertionError), service("prefect", tmp_path, PAWL_PREFECT_KEY="none"):
        pass


@pytest.mark.server
def test_mlflow_of_compose_answers_its_named_hosts_pages_only(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/mlflow.db"
    with service("mlflow", tmp_path, MLFLOW_BACKEND_STORE_URI=store, PAWL_HOSTS="m.example") as url:
        create = "/api/2.0/mlflow/registered-models/create"
        assert status(url, "POST", create, {"Origin": "http://127.0.0.1:1"}) == 403
        assert status(url, "POST", create, {"Host": "10.evil.example:5000"}) == 403
        own = {"Host": "m.example", "Origin": "https://m.example"}
        assert status(url, "POST", create, own) == 200


def test_no_password_of_compose_is_an_argument() -> None:
    for name, described in SERVICES.items():
        assert "PASSWORD" not in str(described.get("command")), name
        assert all(port.startswith("127.0.0.1:") for port in described.get("ports", [])), name
