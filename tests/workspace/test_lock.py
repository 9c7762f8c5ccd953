"""Who waits for a workspace knows for whom, and gives up at last."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pawl.errors import PawlError
from pawl.workspace.lock import stage_lock, workspace_lock
from pawl.workspace.paths import Workspace

HOLDS = """
import sys
from pawl.workspace.lock import workspace_lock
from pawl.workspace.paths import Workspace
from pathlib import Path
with workspace_lock(Workspace(Path.cwd())):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(root: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, "run", "tickets"],
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def test_who_waits_for_the_workspace_is_told_for_whom_and_gives_up_at_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, told = holder(tmp_path), []
    with (
        pytest.raises(PawlError) as raised,
        workspace_lock(Workspace(tmp_path), waiting=lambda: told.append(1), timeout=1.2),
    ):
        raise AssertionError("it was held")
    assert f"run tickets` (process {first.pid}, since " in raised.value.found
    assert "is still at this workspace after 1 s" in raised.value.found
    assert f"`kill {first.pid}`" in raised.value.remedy
    assert told == [1]
    assert f"(process {first.pid}, since " in capsys.readouterr().err
    # The remedy.
    first.terminate()
    first.wait()
    with workspace_lock(Workspace(tmp_path), timeout=30):
        pass


@pytest.mark.parametrize("text", ["", "\x00\xff\x1b[31m", "17", "x" * 5000])
def test_whatever_the_file_says_a_lock_that_is_held_is_waited_for(
    tmp_path: Path, text: str
) -> None:
    first = holder(tmp_path)
    (tmp_path / ".pawl" / "cycle.lock").write_text(text)
    with pytest.raises(PawlError) as raised, workspace_lock(Workspace(tmp_path), timeout=0):
        raise AssertionError("it was held")
    assert raised.value.found.isprintable()
    assert len(raised.value.found) < 300
    first.kill()
    first.wait()


def test_two_stages_of_a_task_never_run_at_once_and_those_of_two_tasks_do(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    with stage_lock(workspace, "one"):
        with stage_lock(workspace, "two", timeout=0):
            pass
        second = stage_lock(workspace, "one", timeout=0)
        with pytest.raises(PawlError, match="is still at a stage of 'one'"), second:
            raise AssertionError("it was held")
