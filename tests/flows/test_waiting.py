"""A whole cycle whose store dies, and one whose champion is replaced while it judges."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tracking import Server, wait_for

from pawl.ledger.ledger import entries
from pawl.release.release import promote
from pawl.store.client import open_store
from pawl.store.registry import all_versions
from pawl.workspace.paths import Workspace

pytestmark = [pytest.mark.server, pytest.mark.slow]
TASK = "tickets"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    one = Server(tmp_path)
    one.start()
    yield one
    one.kill()


def start(workspace: Workspace, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pawl", "-C", str(workspace.root), *words, TASK, "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def look_of(workspace: Workspace) -> str | None:
    path = workspace.files(TASK).look
    look: Any = json.loads(path.read_text())["look"] if path.is_file() else None
    return look and look["question"]


def test_a_store_that_dies_while_a_candidate_is_judged_costs_no_training_and_no_judgement(
    quick_workspace: Workspace, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    run = start(quick_workspace, "run")
    wait_for(lambda: look_of(quick_workspace) is not None, process=run)
    server.kill()
    said = run.communicate(timeout=500)[1]
    assert run.returncode == 6, said[-3000:]
    assert f"`pawl resume {TASK}`" in said
    assert "Traceback" not in said

    trained = (quick_workspace.files(TASK).adapter / "pawl.json").stat().st_mtime_ns
    server.start()
    resumed = start(quick_workspace, "resume")
    (cycle,) = json.loads(resumed.communicate(timeout=500)[0])
    assert cycle["candidate"]["version"] == 1
    assert resumed.returncode == {"promote": 0, "reject": 3, "inconclusive": 4}[cycle["verdict"]]
    assert (quick_workspace.files(TASK).adapter / "pawl.json").stat().st_mtime_ns == trained
    store = open_store(quick_workspace)
    assert len(all_versions(store, TASK)) == 1

    # And now: the champion is replaced while the next candidate is judged.
    params = quick_workspace.params_file
    params.write_text(params.read_text().replace("learning_rate: 0.002", "learning_rate: 0.001"))
    first = look_of(quick_workspace)
    run = start(quick_workspace, "run")
    wait_for(lambda: look_of(quick_workspace) not in (None, first), process=run)
    if cycle["verdict"] != "promote":
        promote(quick_workspace, store, TASK, 1, why="meanwhile", who="Bo", override=True)
    out, said = run.communicate(timeout=500)
    assert run.returncode in (0, 3, 4), said[-3000:]
    again = json.loads(out)
    assert not again["stale"]
    if cycle["verdict"] != "promote":
        assert any(
            reason.startswith("judged again: while this candidate was judged against no champion")
            for reason in again["reasons"]
        ), again["reasons"]
        stale = ["pawl.stale" in version.tags for version in all_versions(store, TASK)]
        assert stale == [False, True, False]
        looks = [entry for entry in entries(store, TASK) if entry.kind == "look"]
        assert len(looks) == 3, "the second judgement was paid for"
