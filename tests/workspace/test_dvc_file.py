"""A task's name never becomes a word of a shell: by real DVC, with the file that `init` writes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pawl.commands.doctor import examine
from pawl.commands.init import init
from pawl.core.processes import git
from pawl.workspace.dvc_file import shell_warning
from pawl.workspace.paths import Workspace

ROOT = Path(__file__).parents[2]
OLD = "python -m pawl.data inputs ${key}"
NAMES = (
    "a;touch x",
    "a && touch x",
    "$(touch x)",
    "`touch x`",
    "a|touch x",
    "a\ntouch x",
    "'; touch x; '",
    '"; touch x; "',
    "a\n",
    "-h",
    "",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return init(tmp_path_factory.mktemp("dvc") / "workspace").root


@pytest.fixture
def workspace(made: Path, tmp_path: Path) -> Workspace:
    return Workspace(shutil.copytree(made, tmp_path / "workspace"))


def task_called(workspace: Workspace, name: str) -> None:
    parts = ("check", "train", "evaluate", "gate")
    section = {"data": "data/t.jsonl", "base": {"model": "base"}, "split": {"salt": "s"}}
    section |= {part: {} for part in parts}
    workspace.params_file.write_text(yaml.safe_dump({"tasks": {name: section}}))


def repro(workspace: Workspace, stage: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "--single-item", stage],
        cwd=workspace.root,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_task_name_of_shell_words_gives_an_error_and_nothing_is_run(
    workspace: Workspace, name: str
) -> None:
    task_called(workspace, name)
    before = sorted(path.name for path in workspace.root.iterdir())
    done = repro(workspace, f"inputs@{name}")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    after = sorted(path.name for path in workspace.root.iterdir())
    assert [n for n in after if n not in (*before, "build", "dvc.lock")] == []


def test_a_stage_finds_its_task_in_what_dvc_tells_it(workspace: Workspace) -> None:
    task_called(workspace, "tickets")
    done = repro(workspace, "held_out_register@tickets")
    assert done.returncode == 0, done.stderr
    assert (workspace.root / "build" / "tickets" / "known.jsonl").read_text() == ""


def test_no_command_of_this_repository_or_of_a_new_workspace_holds_a_name(
    workspace: Workspace,
) -> None:
    assert (workspace.root / "dvc.yaml").read_bytes() == (ROOT / "dvc.yaml").read_bytes()
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert not [name for name, stage in stages.items() if "$" in stage["do"]["cmd"]]
    assert shell_warning(workspace) == ""


@pytest.mark.slow
def test_the_dvc_file_of_an_earlier_pawl_is_told_with_its_remedy(workspace: Workspace) -> None:
    path = workspace.root / "dvc.yaml"
    good = path.read_text()
    path.write_text(good.replace("python -m pawl.data inputs", OLD))
    assert git(workspace.root, "rev-parse", "--git-dir") is not None
    found = [one for one in examine(workspace) if one.what == "dvc.yaml" and not one.ok]
    assert len(found) == 1
    assert "pawl init" in found[0].says
    command = [sys.executable, "-m", "pawl", "run", "none"]
    task_called(workspace, "none")
    told = subprocess.run(command, cwd=workspace.root, capture_output=True, text=True).stderr
    assert "warning: dvc.yaml is of an earlier Pawl" in told
    path.write_text(good)
    assert not [one for one in examine(workspace) if one.what == "dvc.yaml" and not one.ok]


@pytest.mark.parametrize("text", ["", "[]", "stages: 3", "stages: {a: {cmd: 1}}", "{", "\0"])
def test_a_dvc_file_that_cannot_be_read_is_left_to_dvc(workspace: Workspace, text: str) -> None:
    (workspace.root / "dvc.yaml").write_text(text)
    assert shell_warning(workspace) == ""
