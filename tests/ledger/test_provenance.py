"""What the records say of the code: the commit, and honestly where it is not the whole truth."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pawl.ledger.provenance import commit
from pawl.workspace.paths import Workspace


def git(root: Path, *words: str) -> None:
    who = ("-c", "user.name=A tester", "-c", "user.email=tester@example.org")
    subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)


def test_a_changed_file_makes_the_commit_dirty_but_what_the_cycle_wrote_does_not(
    tmp_path: Path,
) -> None:
    git(tmp_path, "init")
    assert commit(Workspace(tmp_path)) == "none"
    for name in ("params.yaml", "dvc.lock"):
        (tmp_path / name).write_text("before\n")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--message", "a workspace whose dvc.lock is committed, as DVC advises")
    clean = commit(Workspace(tmp_path))
    assert len(clean) == 40

    (tmp_path / "dvc.lock").write_text("after the cycle\n")
    (tmp_path / "notes.txt").write_text("untracked\n")
    assert commit(Workspace(tmp_path)) == clean
    (tmp_path / "params.yaml").write_text("after an edit\n")
    assert commit(Workspace(tmp_path)) == f"{clean}-dirty"
