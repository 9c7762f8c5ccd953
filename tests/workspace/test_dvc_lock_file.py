"""A `dvc.lock` that a killed DVC left cut off holds nobody up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from test_dvc_locks import PARAMS

from pawl.errors import DataError
from pawl.ledger.provenance import data_md5
from pawl.workspace.dvc_calls import open_dvc
from pawl.workspace.dvc_lock_file import mend_lock_file
from pawl.workspace.paths import Workspace
from pawl.workspace.stages import reproduce

STAGES = """
stages:
  split:
    foreach: [tickets]
    do:
      cmd: echo once >> ran; cp rows.jsonl parts
      deps: [rows.jsonl]
      outs: [parts]
  train:
    foreach: [tickets]
    do:
      cmd: cp parts out
      deps: [parts]
      outs: [out]
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace that DVC has run twice, on two deliveries."""
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "dvc.yaml").write_text(STAGES)
    subprocess.run(
        [sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], cwd=tmp_path, check=True
    )
    made = Workspace(tmp_path)
    for rows in ("{}\n", '{"a": 1}\n'):
        (tmp_path / "rows.jsonl").write_text(rows)
        for stage in ("split", "train"):
            reproduce(made, stage, "tickets")
    return made


def stages(workspace: Workspace) -> set[str]:
    return set(yaml.safe_load((workspace.root / "dvc.lock").read_text())["stages"])


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.6, 0.97])
def test_wherever_it_was_cut_off_the_next_run_goes_on(
    workspace: Workspace, share: float, capfd: pytest.CaptureFixture[str]
) -> None:
    path = workspace.root / "dvc.lock"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    ran = (workspace.root / "ran").read_text()
    reproduce(workspace, "train", "tickets")
    assert path.read_bytes() == whole
    assert (workspace.root / "out").read_bytes() == (workspace.root / "rows.jsonl").read_bytes()
    if "cut off" in capfd.readouterr().err:
        assert (workspace.root / "ran").read_text() == ran, "what was recorded before is not lost"
        assert (workspace.home / "dvc.lock.cut-off").is_file()
    with open_dvc(workspace) as repo:
        assert repo.status() == {}


def test_an_empty_one_without_a_copy_is_set_aside_and_all_stages_run(workspace: Workspace) -> None:
    path = workspace.root / "dvc.lock"
    whole = path.read_bytes()
    path.write_bytes(b"")
    (workspace.home / "dvc.lock").unlink()
    reproduce(workspace, "train", "tickets")
    assert path.read_bytes() == whole


def test_reading_what_dvc_tracks_goes_on_too(workspace: Workspace) -> None:
    (workspace.root / "dvc.lock").write_bytes(b"")
    with open_dvc(workspace) as repo:
        names = [stage.addressing for stage in repo.index.stages]
        assert any(name.endswith("train@tickets") for name in names)
    assert stages(workspace) == {"split@tickets", "train@tickets"}


@pytest.mark.parametrize("text", ["", "schema: '2.0'\nsta", "schema: '2.0'\nstages:\n", "- 1"])
def test_whoever_else_reads_it_takes_one_that_was_cut_off_for_none(
    workspace: Workspace, text: str
) -> None:
    (workspace.root / "dvc.lock").write_text(text)
    assert data_md5(workspace, "tickets") == ""


def test_a_merge_conflict_is_a_persons_and_is_named(workspace: Workspace) -> None:
    path = workspace.root / "dvc.lock"
    mine = path.read_text()
    both = f"<<<<<<< HEAD\n{mine}=======\n{mine}>>>>>>> other\n"
    path.write_text(both)
    with pytest.raises(DataError, match=r"dvc.lock holds a merge conflict") as refused:
        reproduce(workspace, "train", "tickets")
    assert "git checkout --ours dvc.lock" in str(refused.value.remedy)
    assert path.read_text() == both
    path.unlink()
    reproduce(workspace, "train", "tickets")
    assert path.read_text() == mine


def test_a_file_that_somebody_is_writing_is_left_alone(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workspace.root / "dvc.lock"
    path.write_bytes(b"")
    lock = workspace.root / ".dvc" / "tmp" / "lock"
    code = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); "
    code += "f.write('7'); f.flush(); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        mend_lock_file(workspace)
        assert path.read_bytes() == b""
        other.kill()
    mend_lock_file(workspace)
    assert stages(workspace) == {"split@tickets", "train@tickets"}
