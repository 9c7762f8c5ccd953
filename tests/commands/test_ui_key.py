"""Prefect's API asks for the key of a file that only its owner reads, and nothing tells the key."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from servers import Served, ask, basic, served, status
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from pawl.workspace.paths import Workspace

PATHS = (
    ("POST", "/variables/"), ("POST", "/flows/"), ("POST", "/flows/filter"),
    ("POST", "/deployments/"), ("POST", "/work_pools/"), ("GET", "/admin/settings"),
    ("POST", "/admin/database/clear"), ("GET", "/version"), ("GET", "/docs"),
)  # fmt: skip
READ = {
    "prefect": "/api/version",
    "mlflow": "/api/2.0/mlflow/experiments/get?experiment_id=0",
}


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(Workspace(tmp_path_factory.mktemp("ui"))) as running:
        yield running


@pytest.mark.server
@pytest.mark.parametrize(("method", "path"), PATHS)
def test_a_request_without_the_key_or_with_another_is_401(
    ui: Served, method: str, path: str
) -> None:
    for wrong in ({}, basic("pawl:" + "x" * 43), basic("pawl:"), {"Authorization": "Bearer x"}):
        assert status(ui.prefect, method, f"/api{path}", wrong) == 401


@pytest.mark.server
def test_a_request_with_the_key_works(ui: Served) -> None:
    assert ask(ui, "POST", "/flows/", {"name": "mine"})["name"] == "mine"
    assert [flow["name"] for flow in ask(ui, "POST", "/flows/filter", {})] == ["mine"]


@pytest.mark.server
@pytest.mark.parametrize("path", ["/events/in", "/events/out", "/logs/out"])
def test_a_websocket_asks_for_the_key_too(ui: Served, path: str) -> None:
    url = f"{ui.prefect.replace('http', 'ws')}/api{path}"
    with connect(url, subprotocols=["prefect"]) as line:
        line.send(json.dumps({"type": "auth", "token": "pawl:guess"}))
        with pytest.raises(ConnectionClosed):
            line.recv(timeout=20)
    with connect(url, subprotocols=["prefect"]) as line:
        line.send(json.dumps({"type": "auth", "token": ui.key}))
        assert json.loads(line.recv(timeout=20)) == {"type": "auth_success"}


@pytest.mark.server
@pytest.mark.parametrize("server", ["prefect", "mlflow"])
def test_other_hosts_and_origins_are_refused_with_the_key_too(ui: Served, server: str) -> None:
    url = getattr(ui, server)
    own = urlsplit(url).netloc
    path = READ[server]
    port = own.rpartition(":")[2]
    for host in (own, f"localhost:{port}", f"[::1]:{port}"):
        assert status(url, "GET", path, {"Host": host, **basic(ui.key)}) == 200
    for host in ("evil.example", f"evil.example:{port}", f"10.evil.example:{port}", "127.0.0.1",
                 f"127.0.0.1:{int(port) ^ 1}", f"127.0.0.1.evil.example:{port}", ""):  # fmt: skip
        assert status(url, "GET", path, {"Host": host, **basic(ui.key)}) == 403
    for origin in (url, f"http://localhost:{port}"):
        assert status(url, "GET", path, {"Origin": origin, **basic(ui.key)}) == 200
    for origin in ("http://evil.example", "null", "", "http://127.0.0.1", "http://127.0.0.1:1",
                   f"http://127.0.0.1:{port}.evil.example", f"http://evil@127.0.0.1:{port}",
                   "http://[", f"{url}, http://evil.example"):  # fmt: skip
        assert status(url, "GET", path, {"Origin": origin, **basic(ui.key)}) == 403


@pytest.mark.server
def test_mlflows_assistant_which_runs_commands_for_everybody_is_closed(ui: Served) -> None:
    from mlflow.server.assistant.api import assistant_router

    paths = {route.path for route in assistant_router.routes}
    assert any(path.endswith("/message") for path in paths)
    for path in paths:
        filled = path.format(provider="ollama", session_id="0" * 32)
        for method in ("GET", "POST", "PUT", "PATCH"):
            assert status(ui.mlflow, method, filled, {}) == 404
    first = "/ajax-api/3.0/mlflow/assistant/config"
    encoded, doubled = first.replace("assistant", "%61ssistant"), first.replace("/3.0", "/3.0/")
    for written in (encoded, doubled, f"/{first}", f"/.{first}", first.replace("ass", "Ass")):
        assert status(ui.mlflow, "PUT", written, {}) in (404, 405), written


@pytest.mark.server
def test_the_key_is_its_owners_alone_and_stands_nowhere_else(ui: Served) -> None:
    file = ui.workspace.home / "keys" / "prefect.key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    secret = ui.key.partition(":")[2]
    assert len(secret) >= 43
    status(ui.prefect, "GET", "/api/version", {"Authorization": "Basic garbage"})
    assert ui.key not in ui.said
    assert str(file) in ui.said
    arguments = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if _there(path)]
    assert not any(secret.encode() in words for words in arguments)
    told = [path for path in ui.workspace.root.rglob("*") if path.is_file()]
    assert [path for path in told if secret.encode() in path.read_bytes()] == [file]
    doctor = subprocess.run(
        [sys.executable, "-m", "pawl", "doctor", "--json"],
        cwd=ui.workspace.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "prefect" in doctor.stdout
    assert secret not in doctor.stdout + doctor.stderr


def _there(path: Path) -> bool:
    return os.access(path, os.R_OK)
