"""`pawl init` makes a workspace out of nothing, and touches no folder that is in use."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pawl.commands.deploy import render
from pawl.commands.init import COPIED, init
from pawl.config.load import read_params
from pawl.core.processes import git
from pawl.errors import UsageError
from pawl.workspace.paths import find_workspace


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return init(tmp_path_factory.mktemp("init") / "deep" / "workspace").root


def dvc(root: Path, *words: str) -> str:
    command = [sys.executable, "-m", "dvc", *words]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout


def test_a_new_workspace_is_found_from_any_folder_below_it(root: Path) -> None:
    assert find_workspace(root / "data").root == root
    params = read_params(root / "params.yaml")
    assert (params.tasks, params.release.keep) == ({}, 3)


def test_a_new_workspace_is_a_git_and_dvc_repository_whose_stages_dvc_can_read(root: Path) -> None:
    assert git(root, "rev-parse", "--show-toplevel") == str(root)
    assert dvc(root, "config", "core.analytics").strip() == "false"
    stages = yaml.safe_load((root / "dvc.yaml").read_text())["stages"]
    assert {"check", "split", "train", "evaluate", "gate"} <= set(stages)
    assert json.loads(dvc(root, "status", "--json")) == {}


def test_a_new_workspace_has_its_flow_and_a_prefect_file_without_deployments(root: Path) -> None:
    for name in COPIED:
        assert (root / name).read_bytes() == (Path(__file__).parents[2] / name).read_bytes()
    compile((root / "flows" / "retrain.py").read_text(), "retrain.py", "exec")
    text = (root / "prefect.yaml").read_text()
    assert text == render(read_params(root / "params.yaml"))
    assert yaml.safe_load(text)["deployments"] == []


def test_two_workspaces_in_folders_of_one_name_have_names_of_their_own(tmp_path: Path) -> None:
    names = [
        read_params(init(tmp_path / over / folder).root / "params.yaml").name or ""
        for over in ("a", "b")
        for folder in ("My_Desk 2", "7")
    ]
    assert len(set(names)) == 4
    assert [re.sub("-[0-9a-f]{6}$", "", name) for name in names] == ["my-desk-2", "workspace"] * 2


def test_local_state_and_builds_of_a_new_workspace_stay_out_of_git(root: Path) -> None:
    for name in (".pawl/mlflow.db", "build/t/verdict.json", ".venv/bin/python"):
        assert git(root, "check-ignore", name) == name
    assert git(root, "check-ignore", "params.yaml") is None


@pytest.mark.parametrize("kind", ["a folder with a file", "a hidden file", "a file"])
def test_what_is_there_already_is_refused_and_left_untouched(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "there"
    if kind == "a file":
        target.write_text("mine")
    else:
        target.mkdir()
        (target / (".env" if kind == "a hidden file" else "mine")).write_text("mine")
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    with pytest.raises(UsageError, match="is not empty") as refused:
        init(target)
    assert refused.value.remedy
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before


def test_without_git_the_error_names_git_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        UsageError, match="`git init --quiet` failed: it is not installed"
    ) as refused:
        init(tmp_path / "workspace")
    assert "pawl doctor" in refused.value.remedy
