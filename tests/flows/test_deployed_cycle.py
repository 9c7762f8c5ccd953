"""The whole of it as deployed: a real server, a work pool, a worker and a schedule."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from pawl.commands.deploy import deploy, render
from pawl.commands.status import status
from pawl.config.load import read_params
from pawl.release.history import history
from pawl.store.client import open_store
from pawl.workspace.environment import quiet_environment
from pawl.workspace.paths import Workspace

ROOT = Path(__file__).parents[2]
# A first Prefect start migrates its database, and the cycle itself trains on one core.
PATIENCE = 420


def test_the_committed_prefect_yaml_is_what_params_yaml_says() -> None:
    assert (ROOT / "prefect.yaml").read_text() == render(read_params(ROOT / "params.yaml"))


def test_each_task_is_a_deployment_and_one_without_a_schedule_waits_to_be_told() -> None:
    params = read_params(ROOT / "params.yaml")
    body = yaml.safe_load(render(params))
    assert [d["name"] for d in body["deployments"]] == list(params.tasks)
    assert body["deployments"][0]["schedules"] == [
        {"cron": "0 3 * * *", "timezone": "Europe/Berlin"}
    ]
    assert all(d["parameters"] == {"task": d["name"]} for d in body["deployments"])


@pytest.mark.server
def test_a_deployed_cycle_runs_to_its_end_and_leaves_its_champion(
    quick_workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    settings = {
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    for key, value in settings.items():
        monkeypatch.setenv(key, value)
    with_schedule(quick_workspace)
    with running(quick_workspace, "server", "start", "--port", str(port), log=tmp_path / "s.log"):
        wait_until(lambda: answers(port), 120, tmp_path / "s.log")
        assert "deployed: tickets" in deploy(quick_workspace, apply=True)
        # Prefect 3.8.8 takes SQLAlchemy 2.1 and then schedules nothing, with a word in a log only.
        wait_until(lambda: scheduled(port), 60, tmp_path / "s.log")
        worker = ("worker", "start", "--pool", "pawl", "--name", "test")
        with running(quick_workspace, *worker, log=tmp_path / "w.log"):
            run = ask(port, "POST", f"/deployments/{deployment_id(port)}/create_flow_run", {})
            wait_until(lambda: state(port, run["id"]) in ENDED, PATIENCE, tmp_path / "w.log")
        assert state(port, run["id"]) == "COMPLETED", (tmp_path / "w.log").read_text()[-4000:]
        pages = ask(port, "POST", "/artifacts/filter", {})
        assert sorted(page["key"] for page in pages) == ["cycle-tickets", "data-tickets"]
    store = open_store(quick_workspace)
    last = status(quick_workspace, store, "tickets").last
    assert last.verdict in ("promote", "reject", "inconclusive")
    released = history(store, "tickets")
    assert len(released) == (1 if last.verdict == "promote" else 0)


ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def with_schedule(workspace: Workspace) -> None:
    """Give the task a schedule that is not due while the test runs."""
    params = yaml.safe_load(workspace.params_file.read_text())
    params["tasks"]["tickets"]["schedule"] = {"cron": "0 3 1 1 *", "timezone": "UTC"}
    workspace.params_file.write_text(yaml.safe_dump(params))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(workspace: Workspace, *words: str, log: Path) -> Iterator[None]:
    """A prefect command in the workspace, ended with all that it started."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", *words],
            cwd=workspace.root,
            env={**os.environ, **quiet_environment(workspace)},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait()


def wait_until(done: Any, seconds: float, log: Path) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, log.read_text()[-4000:]
        time.sleep(0.5)


def answers(port: int) -> bool:
    try:
        return bool(ask(port, "GET", "/health"))
    except OSError:
        return False


def deployment_id(port: int) -> str:
    return str(ask(port, "GET", "/deployments/name/retrain/tickets")["id"])


def scheduled(port: int) -> bool:
    """Whether the schedule in params.yaml has become runs to come."""
    return bool(ask(port, "POST", "/flow_runs/filter", {}))


def state(port: int, run_id: str) -> str:
    return str(ask(port, "GET", f"/flow_runs/{run_id}")["state_type"])


def ask(port: int, method: str, path: str, body: Any = None) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)
