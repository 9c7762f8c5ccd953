"""The whole of it as deployed: a real server, a work pool, a worker and a schedule."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from servers import Served, ask, served

from pawl.commands.deploy import render
from pawl.commands.status import status
from pawl.config.load import read_params
from pawl.release.history import history
from pawl.store.client import open_store
from pawl.workspace.paths import Workspace

ROOT = Path(__file__).parents[2]
# A first Prefect start migrates its database, and the cycle itself trains on one core.
PATIENCE = 420


def test_the_committed_prefect_yaml_is_what_params_yaml_says() -> None:
    assert (ROOT / "prefect.yaml").read_text() == render(read_params(ROOT / "params.yaml"))


def test_each_task_is_a_deployment_and_one_without_a_schedule_waits_to_be_told() -> None:
    params = read_params(ROOT / "params.yaml")
    body = yaml.safe_load(render(params))
    cycles = [one for one in body["deployments"] if one["parameters"]]
    assert [one["name"] for one in cycles] == list(params.tasks)
    assert body["deployments"][0]["schedules"] == [
        {"cron": "0 3 * * *", "timezone": "Europe/Berlin"}
    ]
    assert all(one["parameters"] == {"task": one["name"]} for one in cycles)


@pytest.mark.server
@pytest.mark.slow
def test_a_deployed_cycle_runs_to_its_end_and_leaves_its_champion(
    quick_workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_WORKER_QUERY_SECONDS", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    # Nothing but the lines that `pawl ui` prints has to be typed.
    for name in ("PREFECT_API_URL", "PREFECT_HOME"):
        monkeypatch.delenv(name, raising=False)
    with_schedule(quick_workspace)
    name = quick_workspace.params().name
    log = tmp_path / "worker.log"
    with served(quick_workspace) as ui:
        typed = ui.said.splitlines()[-1].split(" && ")
        deployed, work = (words.split() for words in typed)
        done = subprocess.run(
            [*pawl(ui, deployed)], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        assert "deployed: tickets" in done.stdout
        # Prefect 3.8.8 takes SQLAlchemy 2.1 and then schedules nothing, with a word in a log only.
        wait_until(lambda: ask(ui, "POST", "/flow_runs/filter", {}), 60, log)
        with running(*pawl(ui, work), log=log):
            deployment = ask(ui, "GET", f"/deployments/name/retrain/{name}.tickets")["id"]
            run = ask(ui, "POST", f"/deployments/{deployment}/create_flow_run", {})
            wait_until(lambda: state(ui, run["id"]) in ENDED, PATIENCE, log)
            secret = ui.key.encode()
            assert not any(
                secret in path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")
            )
        assert state(ui, run["id"]) == "COMPLETED", log.read_text()[-4000:]
        ended = ask(ui, "GET", f"/flow_runs/{run['id']}")
        assert ended["state"]["name"] in ("Promoted", "Rejected", "Inconclusive")
        assert ended["name"].startswith("tickets · data ")
        pages = ask(ui, "POST", "/artifacts/filter", {})
        assert sorted(page["key"] for page in pages) == [
            f"cycle-{name}--tickets",
            f"data-{name}--tickets",
        ]
        assert secret not in log.read_bytes()
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


def pawl(ui: Served, words: list[str]) -> list[str]:
    """A printed line, run from elsewhere with this interpreter's Pawl."""
    assert words[0] == "pawl"
    return [sys.executable, "-m", "pawl", "-C", str(ui.workspace.root), *words[1:]]


@contextmanager
def running(*command: str, log: Path) -> Iterator[None]:
    """A command, ended with all that it started."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
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


def state(ui: Served, run_id: str) -> str:
    return str(ask(ui, "GET", f"/flow_runs/{run_id}")["state_type"])
