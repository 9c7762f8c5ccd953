"""`pawl doctor` names each thing that a cycle would miss, with its remedy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import yaml

from pawl.commands import doctor
from pawl.commands.doctor import examine
from pawl.commands.init import init
from pawl.workspace.paths import Workspace

ROW = '{"prompt": "a", "completion": "b"}\n'


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, base_folder: Path, empty_store: Path
) -> Workspace:
    """A workspace with a task, all in order."""
    workspace = init(tmp_path_factory.mktemp("doctor") / "workspace")
    section = {
        "data": "data/t.jsonl",
        "base": {"model": str(base_folder)},
        "split": {"salt": "s"},
        **{name: {} for name in ("check", "train", "evaluate", "gate")},
    }
    workspace.params_file.write_text(yaml.safe_dump({"tasks": {"t": section}}))
    (workspace.root / "data" / "t.jsonl").write_text(ROW)
    workspace.home.mkdir(exist_ok=True)
    shutil.copy(empty_store, workspace.home / "mlflow.db")
    return workspace


@pytest.fixture
def workspace(
    made: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workspace]:
    # Opening a store sets MLflow's environment; no test shall see another one's.
    before = dict(os.environ)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_SITE_CACHE_DIR", raising=False)
    copy = Workspace(shutil.copytree(made.root, tmp_path / "workspace"))
    local = copy.root / ".dvc" / "config.local"
    local.write_text(local.read_text().replace(str(made.root), str(copy.root)))
    yield copy
    os.environ.clear()
    os.environ.update(before)


def faults(workspace: Workspace) -> dict[str, str]:
    return {finding.what: finding.says for finding in examine(workspace) if not finding.ok}


def without(name: str) -> Callable[[Workspace], None]:
    def change(workspace: Workspace) -> None:
        path = workspace.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def edited(old: str, new: str) -> Callable[[Workspace], None]:
    def change(workspace: Workspace) -> None:
        text = workspace.params_file.read_text()
        assert old in text
        workspace.params_file.write_text(text.replace(old, new))

    return change


def tracked_elsewhere(workspace: Workspace) -> None:
    without("data/t.jsonl")(workspace)
    (workspace.root / "data" / "t.jsonl.dvc").touch()


BROKEN: dict[str, tuple[Callable[[Workspace], None], str, str]] = {
    "no flow": (without("flows/retrain.py"), "flows/retrain.py", "`pawl init` writes one"),
    "no stages": (without("dvc.yaml"), "dvc.yaml", "`pawl init` writes one"),
    "no git repository": (without(".git"), ".git", "`pawl init` writes one"),
    "no DVC repository": (without(".dvc"), ".dvc", "`pawl init` writes one"),
    "no data": (without("data/t.jsonl"), "t", "put it there and `dvc add` it"),
    "data that was not pulled": (tracked_elsewhere, "t", "`dvc pull` brings it"),
    "no base": (edited("model: ", "model: ./nowhere"), "t", "correct `base.model`"),
    "a misspelt key": (edited("salt:", "slat:"), "params.yaml", "did you mean 'salt'?"),
    "no YAML": (edited("tasks:", "tasks: ["), "params.yaml", "correct the line named"),
    "a base that cannot": (edited("train: {}", "train: {max_length: 9999}"), "t", "lower it to"),
}  # fmt: skip


def test_a_workspace_in_order_has_no_fault_and_every_finding_says_something(
    workspace: Workspace,
) -> None:
    findings = list(examine(workspace))
    assert faults(workspace) == {}
    assert all(finding.says for finding in findings)
    assert {"python", "git", "disk", "device", "torch", "dvc.yaml", "t", "tracking"} <= {
        finding.what for finding in findings
    }


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_missing_is_the_one_fault_and_comes_with_its_remedy(
    workspace: Workspace, case: str
) -> None:
    change, what, remedy = BROKEN[case]
    change(workspace)
    found = faults(workspace)
    assert list(found) == [what]
    assert remedy in found[what]


def test_programs_and_packages_that_are_not_installed_are_named(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "version", version)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = faults(workspace)
    assert found.pop("git") == "not found: install git"
    assert sorted(found) == sorted(doctor.PACKAGES)
    assert set(found.values()) == {"not installed: pip install 'pawl[train,pipeline]'"}


def test_an_unreachable_store_is_a_fault_and_its_password_is_not_shown(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ada:s3cret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    found = faults(workspace)
    assert list(found) == ["tracking"]
    assert "MLFLOW_TRACKING_URI is right" in found["tracking"]
    assert "s3cret" not in found["tracking"]


def test_the_command_exits_with_1_where_something_is_missing(workspace: Workspace) -> None:
    (workspace.root / "dvc.yaml").unlink()
    command = [sys.executable, "-m", "pawl", "-C", str(workspace.root), "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "dvc.yaml" in done.stdout) == (1, True), done.stderr
