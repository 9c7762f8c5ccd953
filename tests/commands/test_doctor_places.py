"""`pawl doctor` on where a workspace is, who owns it, and what DVC reads there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pawl.commands.doctor_dvc import examine_dvc, examine_owner
from pawl.commands.init import init
from pawl.core.processes import git
from pawl.errors import UsageError
from pawl.workspace.paths import Workspace, find_workspace

EARLIER = Path(__file__).parents[1] / "earlier" / "workspace-0.1.tar.gz"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return init(tmp_path_factory.mktemp("places") / "workspace")


@pytest.fixture
def workspace(
    made: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workspace]:
    """A copy, its DVC told of its own place."""
    before = dict(os.environ)
    monkeypatch.delenv("DVC_SITE_CACHE_DIR", raising=False)
    copy = Workspace(shutil.copytree(made.root, tmp_path / "workspace", symlinks=True))
    local = copy.root / ".dvc" / "config.local"
    local.write_text(local.read_text().replace(str(made.root), str(copy.root)))
    yield copy
    os.environ.clear()
    os.environ.update(before)


def faults(workspace: Workspace) -> dict[str, str]:
    found = (*examine_owner(workspace), *examine_dvc(workspace))
    return {one.what: one.says for one in found if not one.ok}


def follow(workspace: Workspace, remedy: str) -> None:
    """Do what a finding ends with, in a shell of the user's."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["/bin/sh", "-ec", remedy]
    subprocess.run(command, cwd=workspace.root, env={**os.environ, "PATH": path}, check=True)


def test_a_new_workspace_has_no_fault(workspace: Workspace) -> None:
    assert faults(workspace) == {}


def test_a_workspace_of_0_1_is_told_of_the_pickles_and_how_to_move_them(tmp_path: Path) -> None:
    shutil.unpack_archive(EARLIER, tmp_path)
    old = Workspace(tmp_path / "workspace")
    says = faults(old)["DVC's state"]
    assert "/var/tmp/dvc, where everybody may write" in says
    follow(old, says.partition(": ")[2])
    assert "DVC's state" not in faults(old)
    assert old.dvc_state.stat().st_mode & 0o077 == 0


def test_a_copied_workspace_is_told_that_its_state_is_the_originals(
    made: Workspace, tmp_path: Path
) -> None:
    copy = Workspace(shutil.copytree(made.root, tmp_path / "a copy", symlinks=True))
    says = faults(copy)["DVC's state"]
    assert "is another workspace's" in says
    follow(copy, says.partition(": ")[2])
    assert faults(copy) == {}


def test_a_state_that_others_may_enter_or_that_moves_with_the_folder_is_a_fault(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.dvc_state.chmod(0o777)
    says = faults(workspace)["DVC's state"]
    assert "others may enter it" in says
    follow(workspace, says.partition(": ")[2])
    assert faults(workspace) == {}
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", ".pawl/dvc")
    assert "from the folder it is called in" in faults(workspace)["DVC's state"]


def test_a_remote_without_verify_is_a_fault_until_it_has_it(workspace: Workspace) -> None:
    follow(workspace, "dvc remote add store ../remote")
    says = faults(workspace)["DVC remote store"]
    follow(workspace, re.findall("`(.*)`", says)[0])
    assert faults(workspace) == {}


def test_a_configuration_that_dvc_cannot_read_is_a_fault(workspace: Workspace) -> None:
    (workspace.root / ".dvc" / "config").write_text("[core\n")
    assert "correct .dvc/config" in faults(workspace)["DVC's configuration"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_workspace_of_another_owner_gets_gits_own_remedy(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    for path in (workspace.root, *workspace.root.rglob("*")):
        os.chown(path, 4321, 4321, follow_symlinks=False)
    assert git(workspace.root, "rev-parse", "--git-dir") is None
    says = faults(workspace)["git repository"]
    assert "dubious ownership" in says
    follow(workspace, re.findall(r"git config --global \S+ safe\.directory \S+", says)[0])
    assert faults(workspace) == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_a_workspace_that_this_user_may_not_write_names_its_owner(workspace: Workspace) -> None:
    # The other user has to get there: pytest's folders are for their owner alone.
    for place in (workspace.root, *workspace.root.parents):
        if place.stat().st_mode & 0o005 != 0o005:
            place.chmod(0o755)
    read, write = os.pipe()
    if not (child := os.fork()):
        try:
            os.setuid(65534)
            owner, *_ = examine_owner(workspace)
            os.write(write, owner.says.encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    says = os.read(read, 4096).decode()
    os.close(read)
    assert f"its owner is user {os.getuid()}: work as that user, or `chown -R` it" in says


def test_a_path_with_a_question_mark_is_refused_before_anything_is_written_elsewhere(
    workspace: Workspace, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="question mark") as refused:
        init(tmp_path / "why?" / "new")
    assert refused.value.remedy.startswith("rename the folder")
    assert not (tmp_path / "why?").exists()
    workspace.root.rename(tmp_path / "why? not")
    with pytest.raises(UsageError, match=r"they would be \S+/why\n"):
        find_workspace(tmp_path / "why? not" / "data")


@pytest.mark.parametrize("name", ["a b", "a#b", "a%20b", "ü名", "a'b", "{a}, $b"])
def test_other_characters_in_the_path_are_no_matter(tmp_path: Path, name: str) -> None:
    workspace = init(tmp_path / name / "workspace")
    expected = {} if name.isascii() else {"DVC's state"}
    assert set(faults(workspace)) == set(expected)
    if expected:
        says = faults(workspace)["DVC's state"]
        follow(workspace, f"{says.partition(': ')[2]} && dvc status && test -d .pawl/dvc/repo")
