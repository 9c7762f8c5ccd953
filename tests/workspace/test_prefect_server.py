"""The key and the address of Prefect's API, and the server that `pawl run` starts for itself."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from servers import basic, status

from pawl.errors import UsageError
from pawl.workspace.paths import Workspace
from pawl.workspace.prefect_api import (
    announced,
    api_environment,
    key_environment,
    make_key,
    read_key,
)

RUN = """
import json, os, sys
from pathlib import Path
from pawl.workspace.environment import quiet_environment
from pawl.workspace.paths import Workspace

workspace = Workspace(Path.cwd())
os.environ.update(quiet_environment(workspace))
from prefect import flow, task
from pawl.workspace.prefect_server import temporary_server

@task
def step():
    return 1

@flow(log_prints=True)
def cycle():
    print("said by the flow")
    return step()

with temporary_server(workspace):
    print(json.dumps(os.environ["PREFECT_API_URL"]), flush=True)
    sys.stdin.readline()
    assert cycle() == 1
    sys.stdin.readline()
print("left", "PREFECT_API_AUTH_STRING" in os.environ, flush=True)
"""
LOCAL = "http://127.0.0.1:4200/api"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    for name in ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "PREFECT_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("PAWL_PREFECT_KEY", raising=False)
    (tmp_path / "params.yaml").write_text("tasks: {}\n")
    return Workspace(tmp_path)


def test_the_key_is_made_once_and_is_another_in_every_workspace(
    workspace: Workspace, tmp_path: Path
) -> None:
    path = make_key(workspace)
    assert path.stat().st_mode & 0o777 == 0o600
    assert make_key(workspace) == path
    assert read_key(path) == read_key(make_key(workspace))
    assert read_key(path) != read_key(make_key(Workspace(tmp_path / "other")))


@pytest.mark.parametrize(
    ("text", "mode", "found"),
    [
        ("pawl:" + "x" * 43, 0o640, "can be read by others"),
        ("pawl:short", 0o600, "holds no key"),
        ("", 0o600, "holds no key"),
        ("pawl:" + "x" * 30 + "\nmore", 0o600, "holds no key"),
        ("pawl:é" + "x" * 30, 0o600, "cannot be read"),
    ],
)
def test_a_key_that_is_none_or_no_secret_is_refused_without_being_told(
    workspace: Workspace, text: str, mode: int, found: str
) -> None:
    path = make_key(workspace)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    with pytest.raises(UsageError, match=found) as refused:
        make_key(workspace)
    assert "xxx" not in str(refused.value)
    assert "short" not in str(refused.value)
    # The remedy: remove it, and a new one is made.
    path.unlink()
    assert len(read_key(make_key(workspace))) >= 43


def test_the_key_goes_to_this_machine_and_to_whom_it_is_named_for_and_to_nobody_else(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert key_environment(workspace, LOCAL) == {}, "none is made to ask somebody else's server"
    key = {"PREFECT_API_AUTH_STRING": read_key(make_key(workspace))}
    assert key_environment(workspace, LOCAL) == key
    assert key_environment(workspace, "http://[::1]:4200/api") == key
    for other in (
        "https://api.prefect.cloud/api/accounts/1",
        "http://127.0.0.1.evil.example:4200/api",
        "http://127.0.0.1@evil.example/api",
    ):
        assert key_environment(workspace, other) == {}
    monkeypatch.setenv("PAWL_PREFECT_KEY", str(make_key(workspace)))
    assert key_environment(workspace, "https://prefect.example/api") == key
    monkeypatch.setenv("PREFECT_API_KEY", "of Prefect Cloud")
    assert key_environment(workspace, LOCAL) == {}


def test_commands_find_the_server_that_runs_and_never_one_that_has_ended(
    workspace: Workspace,
) -> None:
    with pytest.raises(UsageError, match="no Prefect server is known") as refused:
        api_environment(workspace)
    assert "pawl ui" in refused.value.remedy
    key = read_key(make_key(workspace))
    with announced(workspace, LOCAL):
        assert api_environment(workspace) == {
            "PREFECT_API_URL": LOCAL,
            "PREFECT_API_AUTH_STRING": key,
        }
        with pytest.raises(UsageError, match=f"already, at {LOCAL}"), announced(workspace, "x"):
            pass
    with pytest.raises(UsageError, match="no Prefect server is known"):
        api_environment(workspace)
    killed = (
        "import os; from pathlib import Path; from pawl.workspace.paths import Workspace\n"
        "from pawl.workspace.prefect_api import announced\n"
        f"with announced(Workspace(Path.cwd()), '{LOCAL}'): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", killed], cwd=workspace.root, check=False)
    assert (workspace.home / "prefect" / "served").read_text() == LOCAL
    with pytest.raises(UsageError, match="no Prefect server is known"):
        api_environment(workspace)


@pytest.mark.server
@pytest.mark.parametrize("end", ["its end", "kill -9"])
def test_the_server_of_a_run_asks_for_the_key_records_the_flow_and_ends_with_it(
    workspace: Workspace, end: str
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", RUN],
        cwd=workspace.root,
        env={**os.environ, "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    url = json.loads(process.stdout.readline())
    server = url.removesuffix("/api")
    secret = read_key(make_key(workspace))
    assert status(server, "POST", "/api/flows/", {}) == 401
    assert status(server, "POST", "/api/flows/", {"Host": "evil.example", **basic(secret)}) == 403
    foreign = {"Origin": "http://127.0.0.1:1", **basic(secret)}
    assert status(server, "POST", "/api/flows/", foreign) == 403
    assert _flow_runs(workspace) == []
    print(file=process.stdin, flush=True)
    if end == "its end":
        print(file=process.stdin, flush=True)
        assert process.communicate(timeout=120)[0] == "left False\n"
        assert _flow_runs(workspace) == ["COMPLETED"]
        with closing(sqlite3.connect(workspace.home / "prefect" / "prefect.db")) as pages:
            logged = [text for (text,) in pages.execute("select message from log")]
        assert "said by the flow" in logged
        assert secret not in "\n".join(logged)
        assert secret not in (workspace.home / "logs" / "prefect-run.log").read_text()
    else:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    deadline = time.monotonic() + 30
    while _answers(server):
        assert time.monotonic() < deadline, "the server outlives its run"
        time.sleep(0.2)


def _flow_runs(workspace: Workspace) -> list[str]:
    with closing(sqlite3.connect(workspace.home / "prefect" / "prefect.db")) as pages:
        return [state for (state,) in pages.execute("select state_type from flow_run")]


def _answers(server: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", urlsplit(server).port or 0)) == 0
