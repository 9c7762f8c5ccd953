"""A machine's own servers are reached, whatever proxy the environment names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import requests

from pawl.workspace.environment import quiet_environment
from pawl.workspace.paths import Workspace

PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
ASKED = """
import httpx, requests, sys, urllib.request
url = sys.argv[1]
print(httpx.get(url).status_code, requests.get(url).status_code)
print(urllib.request.urlopen(url).status)
"""


@pytest.mark.parametrize("name", PROXIES)
@pytest.mark.parametrize("given", [None, "internal.example", "*"])
def test_no_proxy_is_asked_for_what_is_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, given: str | None
) -> None:
    for other in (*PROXIES, "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(other, raising=False)
    # Nobody listens there.
    monkeypatch.setenv(name, "http://127.0.0.2:9")
    if given:
        monkeypatch.setenv("no_proxy", given)
    environment = quiet_environment(Workspace(tmp_path))
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    for host in ("127.0.0.1", "localhost"):
        url = f"http://{host}:4200/api"
        assert not requests.utils.get_environ_proxies(url), environment["NO_PROXY"]
    assert given is None or environment["NO_PROXY"].startswith(given)
    assert quiet_environment(Workspace(tmp_path))["NO_PROXY"] == environment["NO_PROXY"]


def test_programs_of_a_workspace_reach_a_server_here_past_a_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = server.stdout.readline().split("port ")[1].split()[0]
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.2:9")
        monkeypatch.setenv("ALL_PROXY", "http://127.0.0.2:9")
        for key, value in quiet_environment(Workspace(tmp_path)).items():
            monkeypatch.setenv(key, value)
        done = subprocess.run(
            [sys.executable, "-c", ASKED, f"http://127.0.0.1:{port}/"],
            capture_output=True,
            text=True,
            check=False,
        )
        server.kill()
    assert done.stdout.split() == ["200"] * 3, done.stderr


def test_prefect_starts_no_server_of_its_own_even_where_the_environment_asks_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_SERVER_EPHEMERAL_ENABLED", "true")
    code = "from prefect.client.orchestration import get_client; get_client(sync_client=True)"
    for key, value in quiet_environment(Workspace(tmp_path)).items():
        monkeypatch.setenv(key, value)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "No Prefect API URL provided" in done.stderr
