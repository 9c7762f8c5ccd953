"""A task's data is one version or another, whole, and none is lost: real git, real DVC."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pawl.core.files import digest_md5
from pawl.data.versions.deliver import add, restore
from pawl.data.versions.dvc_versions import Version, history, tracked_md5, verified_file
from pawl.errors import DataError, UsageError
from pawl.workspace.lock import workspace_lock
from pawl.workspace.paths import Workspace

TASK, DATA = "tickets", "data/tickets.jsonl"


def git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def dvc(root: Path, *words: str) -> None:
    command = [sys.executable, "-m", "dvc", *words]
    subprocess.run(command, cwd=root, check=True, capture_output=True)


@pytest.fixture(scope="module")
def committed(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace with its first data version committed, and a remote that has it."""
    root = tmp_path_factory.mktemp("committed") / "workspace"
    shutil.copytree(template, root, symlinks=True)
    dvc(root, "remote", "add", "--default", "store", "remote")
    dvc(root, "config", "remote.store.verify", "true")
    dvc(root, "push")
    git(root, "config", "user.name", "A tester")
    git(root, "config", "user.email", "tester@example.org")
    git(root, "add", "--all", ":!remote")
    git(root, "commit", "--message", "the first version")
    return root


@pytest.fixture
def workspace(committed: Path, tmp_path: Path) -> Workspace:
    root = tmp_path / "workspace"
    shutil.copytree(committed, root, symlinks=True)
    return Workspace(root)


def rows(folder: Path, name: str, count: int = 30) -> Path:
    path = folder / f"{name}.jsonl"
    lines = ({"prompt": f"{name} {n}", "completion": f"{n % 3}"} for n in range(count))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def forget(workspace: Workspace, md5: str) -> None:
    """Take a version out of the cache."""
    path = workspace.root / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    path.chmod(0o600)
    path.unlink()


def test_a_delivery_is_tracked_and_committed_only_when_asked(
    workspace: Workspace, tmp_path: Path
) -> None:
    first, head = tracked_md5(workspace, DATA), git(workspace.root, "rev-parse", "HEAD")
    # What a person has staged is theirs, and no part of a delivery's commit.
    (workspace.root / "notes.txt").write_text("mine")
    git(workspace.root, "add", "notes.txt")
    done = add(workspace, TASK, rows(tmp_path, "second"))
    assert (done.rows, done.before, done.commit) == (30, first, None)
    assert digest_md5(workspace.root / DATA) == done.md5 == tracked_md5(workspace, DATA)
    assert git(workspace.root, "rev-parse", "HEAD") == head

    done = add(workspace, TASK, rows(tmp_path, "third"), message="a third version")
    assert done.commit == git(workspace.root, "rev-parse", "HEAD") != head
    assert git(workspace.root, "show", "--name-only", "--format=%s", "HEAD").split("\n") == [
        "a third version", "", f"{DATA}.dvc",
    ]  # fmt: skip
    assert git(workspace.root, "diff", "--cached", "--name-only") == "notes.txt"
    assert add(workspace, TASK, rows(tmp_path, "third"), message="again").commit is None
    assert [one.md5 for one in history(workspace, DATA)] == [done.md5, first]


def test_rows_that_dvc_does_not_track_are_never_overwritten(
    workspace: Workspace, tmp_path: Path
) -> None:
    path = workspace.root / DATA
    first = tracked_md5(workspace, DATA)
    assert first is not None
    edited = path.read_bytes() + b'{"prompt": "by hand", "completion": "x"}\n'
    path.unlink()
    path.write_bytes(edited)
    for attempt in (
        lambda: add(workspace, TASK, rows(tmp_path, "second")),
        lambda: restore(workspace, TASK, Version("HEAD", first)),
    ):
        with pytest.raises(UsageError, match="rows that DVC does not track"):
            attempt()
        assert path.read_bytes() == edited
    # The remedy that the error names: what lies there becomes a version.
    kept = add(workspace, TASK, path)
    assert add(workspace, TASK, rows(tmp_path, "second")).before == kept.md5
    restore(workspace, TASK, Version("by hand", kept.md5))
    assert path.read_bytes() == edited


def test_a_version_that_only_the_workspace_has_is_put_in_the_cache_before_it_is_replaced(
    workspace: Workspace, tmp_path: Path
) -> None:
    shutil.rmtree(workspace.root / "remote")
    first, before = tracked_md5(workspace, DATA), (workspace.root / DATA).read_bytes()
    assert first is not None
    forget(workspace, first)
    add(workspace, TASK, rows(tmp_path, "second"))
    restore(workspace, TASK, Version("first", first))
    assert (workspace.root / DATA).read_bytes() == before


def test_a_version_comes_back_from_the_remote_and_only_as_the_bytes_that_it_was(
    workspace: Workspace, tmp_path: Path
) -> None:
    first, before = tracked_md5(workspace, DATA), (workspace.root / DATA).read_bytes()
    assert first is not None
    second = add(workspace, TASK, rows(tmp_path, "second"))
    forget(workspace, first)
    done = restore(workspace, TASK, Version("HEAD", first), message="back to the first")
    assert (workspace.root / DATA).read_bytes() == before
    assert (done.md5, done.before) == (first, second.md5)
    # The pointer is that of the last commit again.
    assert done.commit is None

    with pytest.raises(DataError, match="has sha256"):
        restore(workspace, TASK, Version("v1", second.md5, "0" * 64))
    held = verified_file(workspace, Version("second", second.md5))
    held.chmod(0o600)
    held.write_bytes(held.read_bytes().replace(b"second 1", b"second 7"))
    with pytest.raises(DataError, match=r"has md5 .*\n.*the record says"):
        restore(workspace, TASK, Version("second", second.md5))
    held.unlink()
    with pytest.raises(DataError, match="neither in DVC's cache nor in its remote"):
        restore(workspace, TASK, Version("second", second.md5))
    assert (workspace.root / DATA).read_bytes() == before


@pytest.mark.parametrize(
    ("source", "kind", "says"),
    [
        ('{"prompt": "x"}\n', DataError, "have one text alone, `prompt`"),
        ("", DataError, "has no rows"),
        (None, UsageError, "is no file"),
    ],
)
def test_rows_that_cannot_be_read_never_take_the_place_of_those_that_can(
    workspace: Workspace, tmp_path: Path, source: str | None, kind: type[Exception], says: str
) -> None:
    before = (workspace.root / DATA).read_bytes()
    path = tmp_path / "bad.jsonl"
    if source is None:
        os.mkfifo(path)
    else:
        path.write_text(source)
    with pytest.raises(kind, match=says):
        add(workspace, TASK, path)
    assert (workspace.root / DATA).read_bytes() == before
    assert sorted(p.name for p in (workspace.root / "data").iterdir()) == [
        ".gitignore", "tickets.jsonl", "tickets.jsonl.dvc", "tickets.schema.json",
    ]  # fmt: skip


def test_a_delivery_in_another_format_or_to_a_place_outside_is_refused(
    workspace: Workspace, tmp_path: Path
) -> None:
    csv = tmp_path / "rows.csv"
    csv.write_text("prompt,completion\np,c\n")
    with pytest.raises(UsageError, match=r"rows.csv is .csv, the task's data is data/tickets"):
        add(workspace, TASK, csv)
    outside = shutil.move(workspace.root / "data", tmp_path / "elsewhere")
    (workspace.root / "data").symlink_to(outside)
    with pytest.raises(UsageError, match="leaves the workspace"):
        add(workspace, TASK, rows(tmp_path, "second"))


def test_where_dvc_links_data_to_its_cache_the_cached_version_is_not_overwritten(
    workspace: Workspace, tmp_path: Path
) -> None:
    path, first = workspace.root / DATA, tracked_md5(workspace, DATA)
    assert first is not None
    before = path.read_bytes()
    for link in ("symlink", "hardlink"):
        dvc(workspace.root, "config", "cache.type", link)
        path.unlink()
        dvc(workspace.root, "checkout", f"{DATA}.dvc")
        assert path.is_symlink() or path.stat().st_nlink == 2
        add(workspace, TASK, rows(tmp_path, link))
        # To link it DVC would remove it first: a crash in between would leave no data at all.
        assert not path.is_symlink()
        assert path.stat().st_nlink == 1
        assert verified_file(workspace, Version("first", first)).read_bytes() == before
        restore(workspace, TASK, Version("first", first))
        assert path.read_bytes() == before


def test_where_the_data_is_a_link_to_a_cache_that_is_gone_a_delivery_takes_its_place(
    workspace: Workspace, tmp_path: Path
) -> None:
    path, first = workspace.root / DATA, tracked_md5(workspace, DATA)
    dvc(workspace.root, "config", "cache.type", "symlink")
    path.unlink()
    dvc(workspace.root, "checkout", f"{DATA}.dvc")
    forget(workspace, str(first))
    done = add(workspace, TASK, rows(tmp_path, "second"))
    assert not path.is_symlink()
    assert digest_md5(path) == done.md5


def test_a_delivery_waits_for_the_cycle_that_runs(workspace: Workspace, tmp_path: Path) -> None:
    before, source = (workspace.root / DATA).read_bytes(), rows(tmp_path, "second")
    command = [sys.executable, "-m", "pawl", "-C", str(workspace.root), "data", "add", str(source)]
    with workspace_lock(workspace):
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        assert "waiting for it" in process.stderr.readline()
        assert (workspace.root / DATA).read_bytes() == before
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert (workspace.root / DATA).read_bytes() == source.read_bytes()


def copied(workspace: Workspace) -> bool:
    return bool(list((workspace.root / "data").glob(".tickets.jsonl.new-*")))


def renamed(workspace: Workspace) -> bool:
    return b"second 0" in (workspace.root / DATA).read_bytes()[:100]


def retracked(workspace: Workspace) -> bool:
    text = (workspace.root / f"{DATA}.dvc").read_text()
    return "md5" not in text or tracked_md5(workspace, DATA) != FIRST[workspace.root]


FIRST: dict[Path, str | None] = {}


@pytest.mark.parametrize("moment", [copied, renamed, retracked])
def test_a_delivery_that_is_killed_leaves_the_old_data_or_the_new_and_can_be_made_again(
    workspace: Workspace, tmp_path: Path, moment: Callable[[Workspace], bool]
) -> None:
    FIRST[workspace.root] = first = tracked_md5(workspace, DATA)
    old, source = (workspace.root / DATA).read_bytes(), rows(tmp_path, "second", 3000)
    command = [sys.executable, "-m", "pawl", "-C", str(workspace.root), "data", "add", str(source)]
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
    while process.poll() is None and not moment(workspace):
        time.sleep(0.0002)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it ended before the moment came"
    left = (workspace.root / DATA).read_bytes()
    assert left == (old if moment is copied else source.read_bytes())
    done = add(workspace, TASK, source)
    assert (workspace.root / DATA).read_bytes() == source.read_bytes()
    assert tracked_md5(workspace, DATA) == done.md5
    assert first is not None
    restore(workspace, TASK, Version("first", first))
    assert (workspace.root / DATA).read_bytes() == old
