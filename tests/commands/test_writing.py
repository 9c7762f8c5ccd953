"""Commands that write undo what they made, overwrite nothing of others, and show no traceback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pawl.commands.init import init
from pawl.core.files import write_lines
from pawl.workspace.paths import Workspace

TASK = "late"
COMMAND = [sys.executable, "-m", "pawl"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, base_folder: Path) -> Path:
    """A workspace with one task, whose files are committed."""
    root = init(tmp_path_factory.mktemp("writing") / "workspace").root
    rows = root.parent / "rows.jsonl"
    texts = (f"order {i:03} is {'very ' * (i % 7)}late" for i in range(99))
    write_lines(rows, ({"prompt": text, "completion": f"late: {text[:9]}"} for text in texts))
    pawl(root, "new", TASK, "--data", str(rows), "--base", str(base_folder), check=True)
    return root


@pytest.fixture
def workspace(made: Path, tmp_path: Path) -> Workspace:
    shutil.copy(made.parent / "rows.jsonl", tmp_path / "rows.jsonl")
    return Workspace(shutil.copytree(made, tmp_path / "workspace", symlinks=True))


def pawl(root: Path, *words: str, check: bool = False) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    return subprocess.run(
        [*COMMAND, "-C", str(root), *words], env=env, capture_output=True, text=True, check=check
    )


def files(root: Path) -> dict[str, bytes | str]:
    """Every file and link of a folder, without what git and DVC remember for themselves."""
    found: dict[str, bytes | str] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file() and not name.startswith((".git/", ".dvc/", ".pawl/")):
            found[name] = path.read_bytes()
        elif path.is_dir() and not name.startswith((".git", ".dvc", ".pawl")):
            found[f"{name}/"] = ""
    return found


def blocked(path: Path, how: str, elsewhere: Path) -> None:
    """Put something in the way of a file that a command would write."""
    path.unlink(missing_ok=True)
    match how:
        case "a folder":
            path.mkdir()
            (path / "mine.txt").write_text("mine")
        case "a link elsewhere":
            elsewhere.write_text("mine")
            path.symlink_to(elsewhere)
        case "a link to nothing":
            path.symlink_to(elsewhere / "nothing")
        case "other content":
            path.write_text("mine")


HOW = ("a folder", "a link elsewhere", "a link to nothing", "other content")
NEW = ("data/other.jsonl", "data/other.schema.json", "data/other.prompt.md")


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("target", [*NEW, "data/other.jsonl.dvc"])
def test_new_takes_no_place_that_is_taken(
    workspace: Workspace, tmp_path: Path, target: str, how: str
) -> None:
    (tmp_path / "s.json").write_text("true")
    (tmp_path / "p.md").write_text("Answer shortly.")
    blocked(workspace.root / target, how, tmp_path / "elsewhere")
    before, outside = files(workspace.root), sorted(path.name for path in tmp_path.iterdir())
    sources = ("--schema", str(tmp_path / "s.json"), "--prompt", str(tmp_path / "p.md"))
    done = pawl(workspace.root, "new", "other", "--data", str(tmp_path / "rows.jsonl"), *sources)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "remedy" in done.stderr
    assert files(workspace.root) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == outside


def test_new_takes_files_that_lie_at_their_places_and_never_deletes_them(
    workspace: Workspace, tmp_path: Path
) -> None:
    texts = {"other.schema.json": '{"type": "string"}', "other.prompt.md": "Answer shortly."}
    data = workspace.root / "data"
    shutil.copy(tmp_path / "rows.jsonl", data / "other.jsonl")
    for name, text in texts.items():
        (data / name).write_text(text)
    before = files(workspace.root)
    words = ("new", "other", "--data", "data/other.jsonl", "--schema", "data/other.schema.json")
    words = (*words, "--prompt", "data/other.prompt.md")
    # A base that is not there, found after the files were looked at.
    failed = pawl(workspace.root, *words, "--base", "./nowhere")
    assert failed.returncode != 0
    assert files(workspace.root) == before
    shutil.move(workspace.root / ".dvc", tmp_path / "dvc")
    failed = pawl(workspace.root, *words)
    assert failed.returncode != 0
    assert "Traceback" not in failed.stderr
    assert files(workspace.root) == before
    shutil.move(tmp_path / "dvc", workspace.root / ".dvc")
    done = pawl(workspace.root, *words, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["section"]["schema"] == "data/other.schema.json"
    assert {name: (data / name).read_text() for name in texts} == texts


@pytest.mark.parametrize("what", ["a file", "a link to nothing", "below a file", "too long"])
def test_init_takes_no_place_that_is_taken(tmp_path: Path, what: str) -> None:
    target = tmp_path / "there"
    match what:
        case "a file":
            target.write_text("mine")
        case "a link to nothing":
            target.symlink_to(tmp_path / "nothing")
        case "below a file":
            target.write_text("mine")
            target = target / "workspace"
        case "too long":
            target = target / ("x" * 300)
    before = files(tmp_path)
    done = pawl(tmp_path, "init", str(target))
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "remedy" in done.stderr
    assert files(tmp_path) == before


@pytest.mark.parametrize("there", [False, True])
def test_init_without_git_leaves_nothing_of_its_own(tmp_path: Path, there: bool) -> None:
    target = tmp_path / "deep" / "workspace"
    if there:
        target.mkdir(parents=True)
    before = files(tmp_path)
    env = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run([*COMMAND, "init", str(target)], env=env, capture_output=True, text=True)
    assert done.returncode == 2
    assert "it is not installed" in done.stderr
    assert files(tmp_path) == before


# What a command writes to, the words that have it write, and files it may leave all the same.
WRITES = {
    "prefect.yaml": ("deploy",),
    "pawl.pub": ("keys",),
    ".pawl/keys": ("keys",),
    f"data/{TASK}.jsonl": ("data", "add", "FILE"),
    f"data/{TASK}.jsonl.dvc": ("data", "add", "FILE"),
    f"build/{TASK}/fixed": ("check", TASK, "--fix"),
    "build": ("check", TASK),
    ".pawl": ("status", TASK),
    "params.yaml": ("new", "other", "--data", "FILE"),
}


@pytest.mark.slow
@pytest.mark.parametrize("target", WRITES)
def test_a_command_whose_target_is_of_another_kind_says_so_and_destroys_nothing(
    workspace: Workspace, tmp_path: Path, target: str
) -> None:
    path = workspace.root / target
    words = [str(tmp_path / "rows.jsonl") if word == "FILE" else word for word in WRITES[target]]
    # A file where a folder goes, and a folder where a file goes.
    folder = path.is_dir() or "." not in path.name[1:]
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    if folder:
        path.write_text("mine")
    else:
        path.mkdir()
        (path / "mine.txt").write_text("mine")
    before = files(workspace.root)
    done = pawl(workspace.root, *words)
    assert "Traceback" not in done.stderr, done.stderr
    if done.returncode:
        assert "remedy" in done.stderr or "error" in done.stderr, done.stderr
    mine = {name: text for name, text in before.items() if text == b"mine"}
    after = files(workspace.root)
    assert {name: after.get(name) for name in mine} == mine or done.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("target", ["prefect.yaml", "pawl.pub", f"data/{TASK}.jsonl"])
def test_a_command_does_not_write_through_a_link_that_leads_elsewhere(
    workspace: Workspace, tmp_path: Path, target: str
) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    path = workspace.root / target
    path.unlink(missing_ok=True)
    path.symlink_to(outside)
    words = [str(tmp_path / "rows.jsonl") if word == "FILE" else word for word in WRITES[target]]
    done = pawl(workspace.root, *words)
    assert "Traceback" not in done.stderr, done.stderr
    assert outside.read_text() == "mine"
