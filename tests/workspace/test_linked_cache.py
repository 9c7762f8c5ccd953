"""A cache of DVC that workspaces share by links is no obstacle, and no link is read for bytes."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pawl.commands.check import check
from pawl.commands.reproduce import _worktree
from pawl.core.files import digest_md5
from pawl.core.processes import git
from pawl.data.versions.deliver import add, restore
from pawl.data.versions.dvc_versions import Version
from pawl.errors import DataError, UsageError
from pawl.workspace.paths import Workspace
from pawl.workspace.tracked import unlink_from_cache

DATA = "data/tickets.jsonl"


@pytest.fixture
def linked(
    quick_workspace: Workspace, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workspace]:
    """The workspace with its cache elsewhere, its data a link into it, all committed."""
    before = dict(os.environ)
    monkeypatch.delenv("DVC_SITE_CACHE_DIR", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = quick_workspace.root
    shutil.move(root / ".dvc" / "cache", root.parent / "shared")
    for words in (
        ("cache", "dir", "../shared"),
        ("config", "cache.type", getattr(request, "param", "symlink")),
        ("checkout", "--relink", f"{DATA}.dvc"),
    ):
        subprocess.run([sys.executable, "-m", "dvc", *words], cwd=root, check=True)
    path = root / DATA
    assert path.is_symlink() or path.stat().st_nlink == 2
    git(root, "add", "-A")
    assert git(root, "-c", "user.name=a", "-c", "user.email=b", "commit", "-qm", "all") is not None
    yield quick_workspace
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.parametrize("linked", ["symlink", "hardlink"], indirect=True)
def test_linked_data_is_checked_and_replaced_and_the_cache_stays_as_it_is(
    linked: Workspace, tmp_path: Path
) -> None:
    result = check(linked, "tickets", fix=False)
    assert result.failed is None
    assert result.report is not None
    path, rows = linked.root / DATA, (linked.root / DATA).read_bytes()
    for folder in ("check", "splits"):
        assert not any(p.is_symlink() for p in (linked.files("tickets").root / folder).rglob("*"))
    less = tmp_path / "less.jsonl"
    less.write_bytes(b"".join(rows.splitlines(keepends=True)[:150]))
    before = digest_md5(path)
    cached = tmp_path / "shared" / "files" / "md5" / before[:2] / before[2:]
    add(linked, "tickets", less)
    assert path.read_bytes() == less.read_bytes()
    assert (cached.read_bytes(), stat.S_IMODE(cached.stat().st_mode)) == (rows, 0o444)
    restore(linked, "tickets", Version("before", before))
    assert (path.read_bytes(), cached.read_bytes()) == (rows, rows)


def test_a_clean_checkout_has_the_data_of_a_shared_cache(linked: Workspace) -> None:
    rows = (linked.root / DATA).read_bytes()
    commit = git(linked.root, "rev-parse", "HEAD")
    assert commit
    with _worktree(linked, commit) as clean:
        assert (clean.root / DATA).read_bytes() == rows
        result = check(clean, "tickets", fix=False)
        assert result.failed is None
    assert not clean.root.exists()


def test_a_link_that_is_not_dvcs_own_is_refused_as_ever(linked: Workspace, tmp_path: Path) -> None:
    path = linked.root / DATA
    rows = path.read_bytes()
    other = tmp_path / "elsewhere" / "files" / "md5" / "ab" / ("c" * 30)
    other.parent.mkdir(parents=True)
    other.write_bytes(rows)
    path.unlink()
    path.symlink_to(other)
    with pytest.raises(UsageError, match="leaves the workspace"):
        linked.inside(DATA)


def test_outputs_become_files_and_what_the_cache_has_wrong_is_refused(tmp_path: Path) -> None:
    def cached(text: str, name: str) -> Path:
        path = tmp_path / "cache" / "files" / "md5" / name[:2] / name[2:]
        path.parent.mkdir(parents=True)
        path.write_text(text)
        return path

    build = tmp_path / "build"
    (build / "adapter").mkdir(parents=True)
    right, foreign = build / "adapter" / "a.json", build / "adapter" / "b.json"
    right.symlink_to(cached("{}", "99914b932bd37a50b983c5e7c90ae93b"))
    foreign.symlink_to(tmp_path / "elsewhere")
    unlink_from_cache(build)
    assert (right.is_symlink(), right.read_text(), foreign.is_symlink()) == (False, "{}", True)
    wrong = build / "c.json"
    wrong.symlink_to(cached("[]", "0" * 32))
    with pytest.raises(DataError, match="its name says what its bytes are"):
        unlink_from_cache(build)
    assert wrong.is_symlink()
