"""Nothing that DVC reads between calls lies where others may write: it would run their code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pawl.commands.init import init
from pawl.workspace.dvc_calls import cache_folder, open_dvc, run_dvc
from pawl.workspace.paths import Workspace

# What anybody can do: put a pickle where DVC will look, below /var/tmp.
PLANT = """
import os, sys, diskcache
from dvc.repo import Repo
class Stranger:
    def __reduce__(self):
        return os.mkdir, (sys.argv[1],)
with Repo(".") as repo:
    folder = repo.site_cache_dir
cache = diskcache.Cache(folder + "/links")
cache["dvc.yaml"] = Stranger()
cache.close()
print(folder)
"""
MESSAGES = {"rule": "", "remedy": ""}


@pytest.fixture
def open_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An environment as a user's shell has it: no test before shall have named a folder in it."""
    before = dict(os.environ)
    monkeypatch.delenv("DVC_SITE_CACHE_DIR", raising=False)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def workspace(tmp_path: Path, open_environment: None) -> Workspace:
    return init(tmp_path / "a workspace")


def planted(workspace: Workspace, code: Path) -> Iterator[Path]:
    """A stranger's pickle in the folder that DVC takes by itself."""
    local = workspace.root / ".dvc" / "config.local"
    kept = local.read_bytes()
    local.unlink()
    command = [sys.executable, "-c", PLANT, str(code)]
    done = subprocess.run(command, cwd=workspace.root, check=True, capture_output=True, text=True)
    local.write_bytes(kept)
    folder = Path(done.stdout.strip())
    yield folder
    shutil.rmtree(folder)


def checkout(folder: Path) -> None:
    """A call of the user's own."""
    command = [sys.executable, "-m", "dvc", "checkout", "--allow-missing"]
    subprocess.run(command, cwd=folder, check=False, capture_output=True)


def test_a_pickle_below_var_tmp_runs_in_a_bare_workspace_and_not_in_one_of_init(
    workspace: Workspace, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    for folder in planted(workspace, ran):
        assert folder.is_relative_to("/var/tmp/dvc")
        checkout(workspace.root)
        checkout(workspace.root / "data")
        run_dvc(workspace, "checkout", "--allow-missing", **MESSAGES)
        with open_dvc(workspace) as repo:
            repo.checkout(allow_missing=True)
        assert not ran.exists()
        assert not (workspace.root / "data" / ".pawl").exists()
        (workspace.root / ".dvc" / "config.local").unlink()
        run_dvc(workspace, "checkout", "--allow-missing", **MESSAGES)
        with open_dvc(workspace) as repo:
            repo.checkout(allow_missing=True)
        assert not ran.exists()
        checkout(workspace.root)
        assert ran.exists(), "the plant was none: nothing is proved"


def test_only_the_owner_enters_what_dvc_keeps_and_what_was_open_is_not_believed(
    workspace: Workspace,
) -> None:
    state = workspace.dvc_state
    assert state.stat().st_mode & 0o077 == 0
    shutil.rmtree(workspace.home)
    # A call of the user's own makes it again, open to all.
    checkout(workspace.root)
    assert state.stat().st_mode & 0o077
    (state / "left by others").touch()
    run_dvc(workspace, "status", **MESSAGES)
    assert state.stat().st_mode & 0o077 == 0
    assert workspace.home.stat().st_mode & 0o022 == 0
    assert [path.name for path in state.iterdir()] == ["repo"]


def test_a_folder_that_the_user_named_is_used_and_made_private(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "mine"))
    run_dvc(workspace, "status", **MESSAGES)
    assert (tmp_path / "mine" / "repo").is_dir()
    assert (tmp_path / "mine").stat().st_mode & 0o077 == 0


def test_the_cache_is_where_dvcs_configuration_says(workspace: Workspace, tmp_path: Path) -> None:
    assert cache_folder(workspace) == workspace.root / ".dvc" / "cache"
    run_dvc(workspace, "cache", "dir", "../shared", **MESSAGES)
    assert cache_folder(workspace) == tmp_path / "shared"
