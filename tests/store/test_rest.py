"""A tracking server instead of a file: the same cycle, and the pages that people open."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from workbench import TASK, Bench, make_bench

from pawl.commands.status import status
from pawl.release.history import history
from pawl.release.local_copies import adapter_folder
from pawl.release.release import rollback
from pawl.store.client import open_store

pytestmark = pytest.mark.server


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[object]:
    """Start `mlflow server` on a store; returns its URL once it answers."""
    started: list[subprocess.Popen[bytes]] = []

    def start(store: str, artifacts: Path | str) -> str:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        words = ("--backend-store-uri", store, "--artifacts-destination", str(artifacts))
        command = [sys.executable, "-m", "mlflow", "server", "--port", port, "--workers", "1"]
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (tmp_path / "server.log").open("wb") as log:
            started.append(
                subprocess.Popen(
                    [*command, *words],
                    stdout=log,
                    stderr=log,
                    env=environment,
                    start_new_session=True,
                )
            )
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while not answers(url):
            assert time.monotonic() < deadline, (tmp_path / "server.log").read_text()
            time.sleep(0.3)
        return url

    yield start
    for process in started:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2):
            return True
    except OSError:
        return False


def test_cycles_releases_and_rollbacks_are_the_same_over_rest(
    serve: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = serve(f"sqlite:///{tmp_path}/remote.db", tmp_path / "remote")  # type: ignore[operator]
    before = dict(os.environ)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
    bench = make_bench(tmp_path / "ws")
    assert [bench.cycle(seed).champion.version for seed in (1, 2)] == [1, 2]
    rollback(bench.workspace, bench.store, TASK, why="it drools", who="Bo")
    assert [row.kind for row in history(bench.store, TASK)] == ["first", "promote", "rollback"]
    assert adapter_folder(bench.workspace, bench.store, TASK).name == "1"
    assert status(bench.workspace, bench.store, TASK).last.verdict == "promote"
    assert not (bench.workspace.home / "mlflow.db").exists(), "all of it is on the server"
    os.environ.clear()
    os.environ.update(before)


def test_a_server_on_the_workspaces_file_shows_the_evidence_of_its_cycles(
    bench: Bench, serve: object
) -> None:
    cycle = bench.cycle(1)
    artifacts = (bench.workspace.home / "artifacts").as_uri()  # as `pawl ui` names it
    url = serve(bench.store.uri, artifacts)  # type: ignore[operator]
    where = f"{url}/get-artifact?path=verdict.json&run_uuid={cycle.run_id}"
    with urllib.request.urlopen(where, timeout=10) as answer:
        assert b'"decision": "promote"' in answer.read()
    # What its page asks for.
    listed = f"{url}/ajax-api/2.0/mlflow/artifacts/list?run_id={cycle.run_id}&path=adapter"
    with urllib.request.urlopen(listed, timeout=10) as answer:
        names = {file["path"] for file in json.load(answer)["files"]}
    assert "adapter/adapter_model.safetensors" in names
    os.environ["MLFLOW_TRACKING_URI"] = url
    assert history(open_store(bench.workspace), TASK) == history(bench.store, TASK)
