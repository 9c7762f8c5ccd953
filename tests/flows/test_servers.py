"""`pawl ui`: both pages answer, the store is reachable over them, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import socket
import time
import urllib.request
from pathlib import Path

import pytest
from servers import free_ports, read_until, start

from pawl.commands.ui import serve_ui
from pawl.core.records import Champion
from pawl.errors import UsageError
from pawl.ledger.ledger import append
from pawl.ledger.state import read_state
from pawl.store.client import open_store
from pawl.workspace.paths import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "params.yaml").write_text("tasks: {}\n")
    return Workspace(tmp_path)


@pytest.fixture
def ports() -> tuple[int, int]:
    return free_ports()


def body(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read(4000).decode())


def free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.server
@pytest.mark.parametrize(
    "stop", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM]
)
@pytest.mark.slow
def test_both_pages_answer_and_a_stop_leaves_no_process(
    workspace: Workspace,
    ports: tuple[int, int],
    stop: signal.Signals,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = start(workspace, ports)
    try:
        said = read_until(process, "pawl worker")
        assert f"http://127.0.0.1:{ports[0]}" in said
        with pytest.raises(UsageError, match="serves this workspace already") as refused:
            serve_ui(workspace, mlflow_port=free_ports()[0], prefect_port=free_ports()[1])
        assert f"http://127.0.0.1:{ports[1]}/api" in refused.value.found
        assert "<title>MLflow</title>" in body(f"http://127.0.0.1:{ports[0]}/")
        assert "<!DOCTYPE html>" in body(f"http://127.0.0.1:{ports[1]}/")
        # The ledger over REST is the ledger of the file.
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{ports[0]}")
        note(workspace)
        monkeypatch.delenv("MLFLOW_TRACKING_URI")
        assert read_state(open_store(workspace), "tickets").champion.version == 1
    finally:
        process.send_signal(stop)
        assert process.wait(40) == 0
    assert free(ports[0])
    assert free(ports[1])


@pytest.mark.server
def test_when_one_server_dies_the_other_is_stopped_and_the_reason_told(
    workspace: Workspace, ports: tuple[int, int]
) -> None:
    process = start(workspace, ports)
    read_until(process, "pawl worker")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    rest = process.communicate(timeout=60)[0]
    assert "ended with exit code -9" in rest
    assert process.returncode != 0
    time.sleep(0.2)
    assert free(ports[1])


@pytest.mark.parametrize("option", ["--mlflow-port", "--prefect-port"])
def test_a_taken_port_is_named_with_the_option_that_changes_it(
    workspace: Workspace, ports: tuple[int, int], option: str
) -> None:
    taken = ports[0] if option == "--mlflow-port" else ports[1]
    with socket.socket() as other:
        other.bind(("127.0.0.1", taken))
        other.listen()
        with pytest.raises(UsageError, match=f"port {taken}") as error:
            serve_ui(workspace, mlflow_port=ports[0], prefect_port=ports[1])
    assert option in error.value.remedy


def note(workspace: Workspace) -> None:
    append(
        open_store(workspace),
        "tickets",
        op_id="one",
        kind="first",
        expected=Champion(),
        new=Champion(1, "d" * 64),
        who="Ada",
        why="over REST",
    )
