"""What DVC pulled is compared with its pointer: on a real remote whose bytes were changed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pawl.commands.init import init
from pawl.config.load import parse_params
from pawl.config.schema import BaseRef, Task
from pawl.errors import BaseError, DataError
from pawl.workspace.paths import Workspace
from pawl.workspace.tracked import refuse_other_base, refuse_other_data

ROW = '{"prompt": "a", "completion": "b"}\n'
DATA = "data/t.jsonl"


def shell(workspace: Workspace, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command line as a user would, with this interpreter's `dvc`."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["/bin/sh", "-ec", command], cwd=workspace.root, env={**os.environ, "PATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def dvc(workspace: Workspace, *words: str) -> None:
    command = [sys.executable, "-m", "dvc", *words]
    subprocess.run(command, cwd=workspace.root, check=True, capture_output=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose data, and a folder like a base, were pushed to a remote."""
    folder = tmp_path_factory.mktemp("tracked")
    workspace = init(folder / "workspace")
    for name, text in ((DATA, ROW), ("base/small/config.json", "{}"), ("base/small/x/y", "w")):
        path = workspace.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    dvc(workspace, "add", DATA, "base/small")
    (folder / "remote").mkdir()
    dvc(workspace, "remote", "add", "--default", "store", "../remote")
    dvc(workspace, "push")
    return folder


@pytest.fixture
def workspace(made: Path, tmp_path: Path) -> Workspace:
    shutil.copytree(made / "workspace", tmp_path / "workspace")
    shutil.copytree(made / "remote", tmp_path / "remote")
    return Workspace(tmp_path / "workspace")


def task(**more: str) -> Task:
    section: dict[str, object] = {"data": DATA, "base": {"model": "base/small"}} | more
    section |= {"split": {"salt": "s"}}
    section |= {name: {} for name in ("check", "train", "evaluate", "gate")}
    return parse_params(yaml.safe_dump({"tasks": {"t": section}}), "params.yaml").task("t")


def poisoned(workspace: Workspace, text: str) -> None:
    """Change an object of the remote, then pull as on a new machine: DVC is content."""
    remote = workspace.root.parent / "remote" / "files"
    (file,) = (p for p in remote.rglob("*") if p.is_file() and p.read_text() == text)
    file.chmod(0o644)
    file.write_text(text.replace("b", "B").replace("w", "W"))
    # As a server would: only a local remote that is writable is read again by DVC.
    file.chmod(0o444)
    for place in (".dvc/cache", "base/small", DATA):
        path = workspace.root / place
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(workspace.dvc_state)
    done = shell(workspace, f"dvc pull {DATA}.dvc base/small.dvc; dvc status {DATA}.dvc")
    assert (done.returncode, "up to date" in done.stdout) == (0, True), done.stderr


def test_data_of_a_poisoned_remote_is_refused_and_the_pointer_believed(
    workspace: Workspace,
) -> None:
    refuse_other_data(workspace, task())
    poisoned(workspace, ROW)
    with pytest.raises(DataError, match=r"data/t\.jsonl has md5 \w+, its pointer") as refused:
        refuse_other_data(workspace, task())
    assert "the pointer, which is in git, is to be believed" in refused.value.rule


def test_after_the_remedy_the_right_bytes_are_there(workspace: Workspace) -> None:
    good = workspace.root.parent / "good"
    shutil.copytree(workspace.root.parent / "remote", good)
    poisoned(workspace, ROW)
    with pytest.raises(DataError) as refused:
        refuse_other_data(workspace, task())
    remove, pull = re.findall(r"`(rm [^`]*|dvc pull [^`]*)`", refused.value.remedy)
    remote = workspace.root.parent / "remote"
    # The rule's command makes DVC see it by itself.
    assert shell(workspace, f"dvc remote modify store verify true; {remove}").returncode == 0
    assert shell(workspace, pull).returncode != 0
    shutil.rmtree(remote)
    good.rename(remote)
    done = shell(workspace, pull)
    assert done.returncode == 0, done.stderr
    refuse_other_data(workspace, task())
    assert (workspace.root / DATA).read_text() == ROW


def test_a_file_of_a_poisoned_base_folder_is_found(workspace: Workspace) -> None:
    base = BaseRef(model="base/small")
    refuse_other_base(workspace, base)
    poisoned(workspace, "w")
    with pytest.raises(BaseError, match=r"the pointer|base/small\.dvc says") as refused:
        refuse_other_base(workspace, base)
    assert "to be believed" in refused.value.rule
    assert re.search(r"rm -rf \S+base/small \S+/files/md5/\w\w/\w{30}`", refused.value.remedy)


def test_rows_that_were_changed_here_are_believed_and_unknown_ones_are_not(
    workspace: Workspace,
) -> None:
    path = workspace.root / DATA
    path.unlink()
    path.write_text(ROW + ROW)
    refuse_other_data(workspace, task())
    shutil.rmtree(workspace.root / ".dvc" / "cache")
    with pytest.raises(DataError, match="its pointer") as refused:
        refuse_other_data(workspace, task())
    (add,) = re.findall(r"`(dvc add [^`]*)`", refused.value.remedy)
    assert shell(workspace, add).returncode == 0
    refuse_other_data(workspace, task())


def test_a_changed_base_is_refused_until_it_is_added_and_ignored_files_do_not_count(
    workspace: Workspace,
) -> None:
    base = BaseRef(model="base/small")
    with (workspace.root / ".dvcignore").open("a") as file:
        file.write("*.swp\n")
    (workspace.root / "base" / "small" / "a.swp").write_text("x")
    refuse_other_base(workspace, base)
    (workspace.root / "base" / "small" / "config.json").unlink()
    with pytest.raises(BaseError, match="used as its pointer says") as refused:
        refuse_other_base(workspace, base)
    (add,) = re.findall(r"`(dvc add [^`]*)`", refused.value.remedy)
    assert shell(workspace, add).returncode == 0
    refuse_other_base(workspace, base)


@pytest.mark.parametrize("name", ["schema", "prompt"])
def test_schema_and_prompt_that_dvc_tracks_are_compared_too(
    workspace: Workspace, name: str
) -> None:
    path = workspace.root / "data" / name
    path.write_text(json.dumps({"type": "object"}))
    dvc(workspace, "add", f"data/{name}")
    refuse_other_data(workspace, task(**{name: f"data/{name}"}))
    path.unlink()
    with pytest.raises(DataError, match="is not there") as refused:
        refuse_other_data(workspace, task(**{name: f"data/{name}"}))
    (pull,) = re.findall(r"`(dvc pull [^`]*)`", refused.value.remedy)
    assert shell(workspace, pull).returncode == 0, "it is in the cache"
    refuse_other_data(workspace, task(**{name: f"data/{name}"}))


def test_a_pointer_of_dvc_2_took_its_md5_of_text_without_carriage_returns(
    workspace: Workspace,
) -> None:
    path, pointer = workspace.root / DATA, workspace.root / f"{DATA}.dvc"
    path.unlink()
    path.write_bytes(ROW.replace("\n", "\r\n").encode())
    pointer.write_text(pointer.read_text().replace("  hash: md5\n", ""))
    refuse_other_data(workspace, task())
