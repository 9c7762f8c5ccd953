"""Prefect's real server and workers: approvals, late runs, and workers that are lost."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from servers import Served, served
from servers import ask as ask_once
from workbench import TASK, Bench

from pawl.commands.deploy import deploy
from pawl.errors import PawlError
from pawl.ledger.ledger import entries
from pawl.ledger.state import undoubted_state
from pawl.store.client import open_store
from pawl.workspace.paths import Workspace
from pawl.workspace.prefect_runs import refuse_crash_loop
from pawl.workspace.prefect_server import prefect_settings

pytestmark = [pytest.mark.server, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
PATIENCE = 400.0
# In place of a cycle's training and judgement, which tests/flows/test_deployed_cycle.py has.
SHORT = """
def run_cycle(workspace, name, *, force):
    from pawl.cycle.approved import cycle_of_version
    return cycle_of_version(workspace, name, {version})
"""
HUNG = """
def run_cycle(workspace, name, *, force):
    import time
    from pawl.cycle.approved import cycle_of_version
    first, go = workspace.root / "first", workspace.root / "go"
    if first.exists():
        return cycle_of_version(workspace, name, 1)
    first.touch()
    while not go.exists():
        time.sleep(0.2)
    return register(workspace, name, "a question", ())
"""


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("PREFECT_WORKER_QUERY_SECONDS", "2")
        patch.setenv("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "30")
        with served(Workspace(tmp_path_factory.mktemp("served"))) as ui:
            patch.setenv("PREFECT_API_URL", f"{ui.prefect}/api")
            patch.setenv("PREFECT_API_AUTH_STRING", ui.key)
            yield ui


@pytest.fixture
def desk(bench: Bench, request: pytest.FixtureRequest) -> Bench:
    """A workspace with a name of its own, whose tasks' cycles take no time."""
    shutil.copytree(ROOT / "flows", bench.workspace.root / "flows")
    file = bench.workspace.params_file
    name = request.node.name.split("_")[2]
    file.write_text(f"name: {name}\n{file.read_text()}")
    return Bench(bench.workspace, open_store(bench.workspace))


def ask(
    ui: Served, method: str, path: str, body: Any = None, more: dict[str, str] | None = None
) -> Any:
    """As a client of Prefect's does: 503 is a database that is busy, on a busy machine."""
    for _ in range(10):
        try:
            return ask_once(ui, method, path, body, more)
        except HTTPError as error:
            if error.code != 503:
                raise
            time.sleep(2)
    raise AssertionError("Prefect's database stays busy")


def cycle_of(bench: Bench) -> str:
    """The name of the deployment of its cycles."""
    return f"{bench.store.name}.{TASK}"


def with_cycle(bench: Bench, text: str) -> None:
    flow = bench.workspace.root / "flows" / "retrain.py"
    whole = (ROOT / "flows" / "retrain.py").read_text()
    flow.write_text(whole + text)


def pawl(root: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "pawl", "-C", str(root), *words]


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Callable[[Path], subprocess.Popen[bytes]]]:
    with ExitStack() as ends:

        def start(root: Path) -> subprocess.Popen[bytes]:
            log = ends.enter_context((root.parent / f"{root.name}.log").open("wb"))
            process = subprocess.Popen(
                pawl(root, "worker"), stdout=log, stderr=log, start_new_session=True
            )
            ends.callback(process.wait)
            ends.callback(end, process)
            return process

        yield start


def end(process: subprocess.Popen[bytes]) -> None:
    for pid in (*descendants(process.pid), process.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def descendants(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    own = [int(child) for child in text.split()]
    return [*own, *(below for child in own for below in descendants(child))]


def start_run(ui: Served, flow: str, name: str, **parameters: Any) -> str:
    of = ask(ui, "GET", f"/deployments/name/{flow}/{name}")["id"]
    body = {"parameters": parameters}
    return str(ask(ui, "POST", f"/deployments/{of}/create_flow_run", body)["id"])


def state(ui: Served, run: str) -> dict[str, Any]:
    found: dict[str, Any] = ask(ui, "GET", f"/flow_runs/{run}")["state"]
    return found


def wait_for(ui: Served, run: str, *names: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while (now := state(ui, run))["name"] not in names:
        over = now["type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        assert not over, now
        assert time.monotonic() < deadline, now
        time.sleep(1)
    return now


def test_a_waiting_candidate_frees_its_worker_and_is_approved_on_prefects_page_or_by_command(
    ui: Served, desk: Bench, worker: Any
) -> None:
    file = desk.workspace.params_file
    file.write_text(
        file.read_text().replace("min_rows: 10", "min_rows: 10\n      approval: manual")
    )
    assert desk.cycle(1).verdict == "waiting"
    with_cycle(desk, SHORT.format(version=1))
    deploy(desk.workspace, apply=True)
    worker(desk.workspace.root)

    run = start_run(ui, "retrain", cycle_of(desk), task=TASK)
    wait_for(ui, run, "Suspended")
    of = ask(ui, "GET", f"/deployments/name/retrain/{cycle_of(desk)}")
    assert of["global_concurrency_limit"]["active_slots"] == 0, "another cycle may begin"
    assert undoubted_state(desk.store, TASK).champion.version is None
    said = {"run_input": {"who": "Ada", "reason": "read the losses"}}
    assert ask(ui, "POST", f"/flow_runs/{run}/resume", said)["status"] == "ACCEPT"
    wait_for(ui, run, "Promoted")
    assert undoubted_state(desk.store, TASK).champion.version == 1
    approval = next(entry for entry in entries(desk.store, TASK) if entry.kind == "approve")
    assert (approval.who, approval.why) == ("Ada (in Prefect)", "read the losses")

    # The next one by the command line; its run ends, too.
    desk.cycle(2)
    with_cycle(desk, SHORT.format(version=2))
    run = start_run(ui, "retrain", cycle_of(desk), task=TASK)
    wait_for(ui, run, "Suspended")
    words = ("approve", TASK, "2", "--reason", "better on refunds")
    done = subprocess.run(
        pawl(desk.workspace.root, *words), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "champion is version 2 now" in done.stdout
    assert state(ui, run)["name"] == "Promoted"

    # Rolled back from Prefect's page, by a person with a reason; and all of it holds.
    back = {"task": TASK, "action": "rollback", "reason": "complaints", "who": "Bo"}
    wait_for(ui, start_run(ui, "release", f"pawl-{desk.store.name}", **back), "Released")
    assert undoubted_state(desk.store, TASK).champion.version == 1
    wait_for(ui, start_run(ui, "verify", f"pawl-{desk.store.name}"), "Verified")


def test_runs_that_became_late_are_one_run(ui: Served, desk: Bench, worker: Any) -> None:
    desk.cycle(1)
    with_cycle(desk, SHORT.format(version=1))
    deploy(desk.workspace, apply=True)
    of = ask(ui, "GET", f"/deployments/name/retrain/{cycle_of(desk)}")["id"]
    every = [{"active": True, "schedule": {"interval": 4}}]
    ask(ui, "POST", f"/deployments/{of}/schedules", every)
    here = {"deployments": {"name": {"any_": [cycle_of(desk)]}}}
    late = {"flow_runs": {"state": {"name": {"any_": ["Late"]}}}, **here}
    deadline = time.monotonic() + PATIENCE
    while len(ask(ui, "POST", "/flow_runs/filter", late)) < 6:
        assert time.monotonic() < deadline
        time.sleep(1)
    worker(desk.workspace.root)
    skipped = {"flow_runs": {"state": {"name": {"any_": ["Skipped"]}}}, **here}
    while len(gone := ask(ui, "POST", "/flow_runs/filter", skipped)) < 5:
        assert time.monotonic() < deadline
        time.sleep(1)
    assert all("does its work" in run["state"]["message"] for run in gone)
    begun = {"flow_runs": {"state": {"type": {"any_": ["RUNNING", "COMPLETED", "FAILED"]}}}, **here}
    assert len(ask(ui, "POST", "/flow_runs/filter", begun)) <= 2


def test_a_lost_workers_run_gives_its_place_to_the_next_and_releases_nothing_when_it_comes_back(
    ui: Served, desk: Bench, worker: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("pawl.workspace.prefect_automations.SILENCE", 60)
    monkeypatch.setattr("pawl.workspace.prefect_automations.AGAIN", 1)
    desk.cycle(1)
    with_cycle(desk, HUNG)
    deploy(desk.workspace, apply=True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", desk.store.uri)
    lost = worker(desk.workspace.root)
    run = start_run(ui, "retrain", cycle_of(desk), task=TASK)
    wait_for(ui, run, "Running")
    first = desk.workspace.root / "first"
    while not first.exists():
        time.sleep(0.2)
    # A candidate that the lost run is about to register, better than the champion.
    desk.train(2)
    desk.judge("promote", undoubted_state(desk.store, TASK).champion, None)
    # Another machine has a clone of the workspace, at another place.
    other = tmp_path / "other"
    shutil.copytree(desk.workspace.root, other, symlinks=True)
    for pid in (lost.pid, *descendants(lost.pid)):
        os.kill(pid, signal.SIGSTOP)
    stopped = time.monotonic()
    worker(other)
    deadline = stopped + PATIENCE
    while state(ui, run)["name"] != "Crashed":
        assert time.monotonic() < deadline, state(ui, run)
        time.sleep(1)
    assert "its worker is dead" in state(ui, run)["message"]
    assert time.monotonic() - stopped < 180, "silence of 60 s, and a few moments"

    # Started again by itself, elsewhere, and to its end.
    by = {
        "flow_runs": {"id": {"not_any_": [run]}},
        "deployments": {"name": {"any_": [cycle_of(desk)]}},
    }
    while not (again := ask(ui, "POST", "/flow_runs/filter", by)):
        assert time.monotonic() < deadline
        time.sleep(1)
    assert wait_for(ui, again[0]["id"], "Promoted", "Unchanged")

    before = entries(desk.store, TASK, whole=True)
    (desk.workspace.root / "go").touch()
    for pid in (*descendants(lost.pid), lost.pid):
        os.kill(pid, signal.SIGCONT)
    log = {"logs": {"flow_run_id": {"any_": [run]}}, "limit": 200}
    while "this run is Crashed" not in str(ask(ui, "POST", "/logs/filter", log)):
        assert time.monotonic() < deadline + PATIENCE
        time.sleep(1)
    assert entries(desk.store, TASK, whole=True) == before
    assert undoubted_state(desk.store, TASK).champion.version == 1


def test_a_cycle_that_only_crashes_is_not_started_for_ever_but_by_a_person(
    ui: Served, desk: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(desk.workspace, apply=True)
    of = ask(ui, "GET", f"/deployments/name/retrain/{cycle_of(desk)}")["id"]
    server = {"PREFECT_API_URL": f"{ui.prefect}/api", "PREFECT_API_AUTH_STRING": ui.key}
    for _ in range(3):
        run = start_run(ui, "retrain", cycle_of(desk), task=TASK)
        crashed = {"state": {"type": "CRASHED", "message": "killed"}, "force": True}
        ask(ui, "POST", f"/flow_runs/{run}/set_state", crashed)
    # As the automation's action asks for a run.
    by = {
        "Prefect-Automation-Id": str(uuid.uuid4()),
        "Prefect-Automation-Name": base64.b64encode(b"a crashed cycle").decode(),
    }
    again = ask(ui, "POST", f"/deployments/{of}/create_flow_run", {}, by)["id"]
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", of)
    with prefect_settings(server):
        monkeypatch.setenv("PREFECT__RUNTIME__FLOW_RUN__ID", again)
        with pytest.raises(PawlError, match="last 3 runs of this deployment crashed: killed"):
            refuse_crash_loop()
        by_hand = start_run(ui, "retrain", cycle_of(desk), task=TASK)
        monkeypatch.setenv("PREFECT__RUNTIME__FLOW_RUN__ID", by_hand)
        refuse_crash_loop()
