"""The flow in this process: bad data is an answer, a stage that hangs is ended, turns are taken."""

from __future__ import annotations

import json
import multiprocessing
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pawl.commands.plan import plan
from pawl.commands.status import status
from pawl.errors import DataError, PawlError
from pawl.ledger.state import read_state
from pawl.store.client import open_store
from pawl.workspace.lock import workspace_lock
from pawl.workspace.paths import Workspace
from pawl.workspace.stages import reproduce

TASK = """
tasks:
  tickets:
    data: rows.jsonl
    base: {model: b}
    check: {}
    split: {salt: s}
    train: {}
    evaluate: {}
    gate: {}
"""
HANGS = """
stages:
  train:
    foreach: [tickets]
    do:
      cmd: sleep 987 & sleep 987
      outs: [never]
"""


def run(workspace: Workspace) -> tuple[dict[str, Any], subprocess.CompletedProcess[str]]:
    """`pawl run` as a person starts it: Prefect takes its home from the environment once."""
    done = subprocess.run(
        [sys.executable, "-c", "from pawl.cli import main; main()", "run", "tickets", "--json"],
        cwd=workspace.root,
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(done.stdout), done


@pytest.mark.slow
@pytest.mark.server
def test_data_that_is_not_fit_ends_in_a_recorded_cycle_and_not_in_a_failed_run(
    quick_workspace: Workspace,
) -> None:
    data = quick_workspace.inside(quick_workspace.task("tickets").data)
    data.write_text(data.read_text() + '{"prompt": "p", "completion": "no|JSON", "id": "a|b"}\n')
    cycle, done = run(quick_workspace)
    assert (cycle["verdict"], cycle["champion"]["version"]) == ("invalid", None)
    assert done.returncode == DataError.exit_code
    last = status(quick_workspace, open_store(quick_workspace), "tickets").last
    assert list(last.reasons) == cycle["reasons"] != []
    assert "Traceback" not in done.stderr
    assert re.search(r"^\d\d:\d\d:\d\d  check and split$", done.stderr, re.M)
    # What Prefect's page of the run shows to whoever looks there first.
    with closing(sqlite3.connect(quick_workspace.home / "prefect" / "prefect.db")) as pages:
        logged = "\n".join(text for (text,) in pages.execute("select message from log"))
        artifacts = dict(pages.execute("select key, data from artifact"))
        states = pages.execute("select state_type, state_name from flow_run").fetchall()
    assert states == [("COMPLETED", "Invalid data")]
    assert f"tickets: invalid\n  {cycle['reasons'][0]}" in logged
    # Which rules blocked, and the rows, stand beside it and on the run in MLflow.
    told = json.loads(artifacts["data-tickets"])
    assert "Not fit to train: schema (1 row) blocks." in told
    assert "| schema | blocks | 1 | 161 | 0.6 % |" in told
    assert "\n- a\\|b: not JSON" in told
    checked = quick_workspace.files("tickets").check
    client = open_store(quick_workspace).client
    stored = {file.path: file.file_size for file in client.list_artifacts(cycle["run_id"], "check")}
    assert stored == {f"check/{file.name}": file.stat().st_size for file in checked.iterdir()}
    assert {"check/report.html", "check/rows.jsonl"} <= stored.keys()


@pytest.mark.server
@pytest.mark.slow
def test_a_baseline_that_does_not_fit_is_told_before_any_training_and_spends_no_look(
    quick_workspace: Workspace,
) -> None:
    text = quick_workspace.params_file.read_text(encoding="utf-8")
    assert "shots: 4" in text
    quick_workspace.params_file.write_text(text.replace("shots: 4", "shots: 60"), encoding="utf-8")
    cycle, done = run(quick_workspace)
    assert (cycle["verdict"], done.returncode) == ("invalid", DataError.exit_code)
    assert "'few-shot' has a prompt of" in cycle["reasons"][0]
    assert not quick_workspace.files("tickets").adapter.exists()
    store = open_store(quick_workspace)
    assert not read_state(store, "tickets").looks
    with pytest.raises(DataError, match="'few-shot' has a prompt of"):
        plan(quick_workspace, store, "tickets")


def test_a_stage_that_outlives_its_timeout_is_ended_with_all_that_it_started(
    tmp_path: Path,
) -> None:
    (tmp_path / "params.yaml").write_text(TASK)
    (tmp_path / "dvc.yaml").write_text(HANGS)
    (tmp_path / "rows.jsonl").write_text("{}\n")
    subprocess.run(
        [sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], cwd=tmp_path, check=True
    )
    with pytest.raises(PawlError, match="ran longer than 4 s"):
        reproduce(Workspace(tmp_path), "train", "tickets", timeout=4)
    assert not processes("sleep 987")


def test_a_cycle_that_is_killed_leaves_no_stage_running_on_nobodys_behalf(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(TASK)
    (tmp_path / "dvc.yaml").write_text(HANGS.replace("987", "986"))
    (tmp_path / "rows.jsonl").write_text("{}\n")
    subprocess.run(
        [sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], cwd=tmp_path, check=True
    )
    words = "from pawl.workspace.stages import reproduce; from pawl.workspace.paths import *; "
    words += "reproduce(find_workspace(), 'train', 'tickets')"
    cycle = subprocess.Popen([sys.executable, "-c", words], cwd=tmp_path)
    wait_for(lambda: len(processes("sleep 986")) >= 2)
    cycle.kill()
    wait_for(lambda: not processes("sleep 986"))
    # Its own alone: another workspace's cycle may be at work beside.
    wait_for(lambda: not working_in(tmp_path))


@pytest.mark.slow
@pytest.mark.server
def test_a_command_that_is_killed_takes_prefects_server_and_its_stages_with_it(
    quick_workspace: Workspace,
) -> None:
    root = quick_workspace.root
    command = [sys.executable, "-m", "pawl", "run", "tickets"]
    run = subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for words in ("prefect.server.api.server", "pawl.data split"):
        wait_for(lambda words=words: any(words in line for line in working_in(root)), 180)
    run.kill()
    run.wait()
    wait_for(lambda: not working_in(root))


def _hold(root: Path, held: object) -> None:
    with workspace_lock(Workspace(root)):
        held.set()  # type: ignore[attr-defined]
        time.sleep(60)


def test_a_second_cycle_waits_for_its_turn_and_gets_it_when_the_first_is_killed(
    tmp_path: Path,
) -> None:
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    first = context.Process(target=_hold, args=(tmp_path, held))
    first.start()
    assert held.wait(30)
    # What kill -9 leaves: the kernel frees the lock, nobody tidies up.
    with workspace_lock(Workspace(tmp_path), waiting=first.kill):
        first.join(10)
        assert first.exitcode == -9


def wait_for(said: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not said():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def processes(words: str) -> list[str]:
    """Command lines that run now and hold `words`."""
    return [line for _, line in running() if words in line]


def working_in(root: Path) -> list[str]:
    """Command lines of the processes whose folder is `root`."""
    return [line for folder, line in running() if folder == str(root)]


def running() -> list[tuple[str, str]]:
    """Folder and command line of each process."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            found.append((str((path / "cwd").readlink()), line))
        except OSError:
            # It ended while we looked.
            continue
    return found
