"""What a killed DVC leaves behind holds nobody up; what a living one holds is named."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pawl.errors import PawlError
from pawl.workspace.paths import Workspace
from pawl.workspace.stages import reproduce

PARAMS = """
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
STAGES = """
stages:
  train:
    foreach: [tickets]
    do:
      cmd: echo made > out
      deps: [rows.jsonl]
      outs: [out]
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "dvc.yaml").write_text(STAGES)
    (tmp_path / "rows.jsonl").write_text("{}\n")
    subprocess.run(
        [sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], cwd=tmp_path, check=True
    )
    return Workspace(tmp_path)


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with DVC."""
    process = subprocess.Popen(["sleep", "600"], cwd="/")
    yield process
    process.kill()
    process.wait()


def rwlock(workspace: Workspace, pid: int) -> Path:
    path = workspace.root / ".dvc" / "tmp" / "rwlock"
    info = {"pid": pid, "cmd": "dvc repro --quiet train@tickets"}
    files = {name: str(workspace.root / name) for name in ("out", "rows.jsonl")}
    entries = {"write": {files["out"]: info}, "read": {files["rows.jsonl"]: [info]}}
    path.write_text(json.dumps(entries))
    return path


def succeeds(workspace: Workspace) -> None:
    reproduce(workspace, "train", "tickets", timeout=120)
    assert (workspace.root / "out").read_text() == "made\n"


@pytest.mark.parametrize(
    "text", ["", "{", '{"write": {"out": {"pid": 1', "[]", '{"write": 3}', "\0"]
)
def test_a_torn_rwlock_holds_nobody_up(workspace: Workspace, text: str) -> None:
    (workspace.root / ".dvc" / "tmp" / "rwlock").write_text(text)
    succeeds(workspace)


@pytest.mark.parametrize("text", ["", " 1\n", " 99999999\n", "rubbish \0"])
def test_a_lock_file_whose_holder_is_dead_holds_nobody_up(workspace: Workspace, text: str) -> None:
    (workspace.root / ".dvc" / "tmp" / "lock").write_text(text)
    (workspace.root / ".dvc" / "tmp" / "rwlock.lock").write_text(text)
    succeeds(workspace)


def test_an_entry_of_a_dead_process_holds_nobody_up(workspace: Workspace) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    rwlock(workspace, gone.pid)
    succeeds(workspace)


@pytest.mark.parametrize("later", [True, False], ids=["started later", "started before"])
def test_an_entry_whose_number_another_process_has_now_holds_nobody_up(
    workspace: Workspace, stranger: subprocess.Popen[bytes], later: bool
) -> None:
    path = rwlock(workspace, stranger.pid)
    if later:
        long_ago = time.time() - 86_400
        os.utime(path, (long_ago, long_ago))
    succeeds(workspace)


@pytest.mark.parametrize("who", [os.getpid, os.getppid, lambda: 1], ids=["self", "parent", "init"])
def test_an_entry_with_a_number_that_a_container_gave_again_holds_nobody_up(
    workspace: Workspace, who: Any
) -> None:
    rwlock(workspace, who())
    succeeds(workspace)


def test_a_dvc_that_lives_is_waited_for_or_named_and_its_entry_stays(workspace: Workspace) -> None:
    words = [sys.executable, "-c", "import time; time.sleep(600)", "-m", "dvc", "repro"]
    with subprocess.Popen(words, cwd=workspace.root) as other:
        path = rwlock(workspace, other.pid)
        with pytest.raises(PawlError) as raised:
            reproduce(workspace, "train", "tickets", timeout=120)
        assert f"(process {other.pid})" in raised.value.found
        assert str(other.pid) in path.read_text()
        other.kill()
    succeeds(workspace)


def test_a_stage_that_calls_dvc_itself_takes_no_lock_of_the_dvc_that_runs_it(
    workspace: Workspace,
) -> None:
    words = "from pawl.workspace.dvc_locks import free_dead_locks as free\n"
    words += "from pawl.workspace.paths import find_workspace\n"
    words += "free(find_workspace())\nprint('made')"
    (workspace.root / "stage.py").write_text(words)
    stages = STAGES.replace("echo made > out", f"{sys.executable} stage.py > out")
    (workspace.root / "dvc.yaml").write_text(stages)
    succeeds(workspace)


def test_whoever_holds_dvcs_lock_is_named(workspace: Workspace) -> None:
    with (workspace.root / ".dvc" / "tmp" / "lock").open("w") as file:
        file.write(" 4711\n")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(PawlError, match="process 4711 uses the same files"):
            reproduce(workspace, "train", "tickets", timeout=120)
    succeeds(workspace)
