"""A workspace can be copied and moved: what its database names lies beside it, nowhere else."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path

import pytest
from workbench import TASK, Bench, make_bench

from pawl.core.files import digest_file
from pawl.errors import RegistryError
from pawl.store.artifact_places import PLACES
from pawl.store.client import open_store
from pawl.workspace.place import NOTES

HERE = Path(__file__).parent
EARLIER = HERE.parent / "earlier" / "workspace-0.1.tar.gz"
# A cycle with the bench's hands, in a process of its own as every command is.
CYCLE = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(HERE.parent)!r})
from workbench import Bench
from pawl.store.client import open_store
from pawl.workspace.paths import Workspace
workspace = Workspace(Path(sys.argv[1]))
Bench(workspace, open_store(workspace)).cycle(int(sys.argv[2]))
"""


def pawl(root: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pawl", "-C", str(root), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def cycle(root: Path, seed: int) -> None:
    subprocess.run([sys.executable, "-c", CYCLE, str(root), str(seed)], check=True)


def files(root: Path) -> dict[str, str]:
    """Every file below `.pawl/` with its digest, but for the note that a copy leaves of itself."""
    home = root / ".pawl"
    found = (path for path in home.rglob("*") if path.is_file() and path.parent.name != NOTES)
    return {str(path.relative_to(home)): digest_file(path) for path in found}


def places(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as database:
        return [
            place
            for table, column in PLACES
            for (place,) in database.execute(f"SELECT {column} FROM {table}")
        ]


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A workspace of 0.1, as it was at /workspace, which is there no more."""
    with tarfile.open(EARLIER) as tar:
        tar.extractall(tmp_path / "earlier", filter="data")
    return tmp_path / "earlier" / "workspace"


def test_a_database_names_no_absolute_place(bench: Bench) -> None:
    bench.cycle(1)
    bench.cycle(2, "reject")
    found = places(bench.workspace.database)
    assert len(found) > 6
    assert not [place for place in found if str(bench.workspace.root) in place or place[0] == "/"]


def test_a_copy_writes_nothing_into_its_original(bench: Bench, tmp_path: Path) -> None:
    bench.cycle(1)
    before, copy = files(bench.workspace.root), tmp_path / "copy"
    shutil.copytree(bench.workspace.root, copy)
    cycle(copy, 2)
    pawl(copy, "verify", TASK, "2")
    pawl(copy, "rollback", TASK, "--reason", "back")
    assert files(bench.workspace.root) == before


def test_a_moved_workspace_goes_on(bench: Bench, tmp_path: Path) -> None:
    bench.cycle(1)
    moved = tmp_path / "else" / "where #1 %41 é"
    moved.parent.mkdir()
    bench.workspace.root.rename(moved)
    pawl(moved, "verify", TASK, "1")
    cycle(moved, 2)
    pawl(moved, "verify", TASK)
    assert not bench.workspace.root.exists()


def test_a_workspace_of_before_is_moved_and_its_copy_leaves_it_alone(
    earlier: Path, tmp_path: Path
) -> None:
    pawl(earlier, "verify", TASK)
    pawl(earlier, "keys")
    assert not [place for place in places(earlier / ".pawl" / "mlflow.db") if place[0] == "/"]
    copy = tmp_path / "copy"
    shutil.copytree(earlier, copy, symlinks=True)
    before = files(earlier)
    pawl(copy, "rollback", TASK, "--to", "2", "--reason", "back")
    pawl(copy, "verify", TASK, "2")
    assert files(earlier) == before


def test_a_copy_of_a_workspace_of_before_is_its_own_from_the_first_command_on(
    earlier: Path, tmp_path: Path
) -> None:
    file = earlier / ".pawl" / "mlflow.db"
    with closing(sqlite3.connect(file)) as database, database:
        for table, column in PLACES:  # as at its own folder, where it was never moved
            sql = f"UPDATE {table} SET {column} = replace({column}, '/workspace', ?)"
            database.execute(sql, (str(earlier),))
    pawl(earlier, "keys")
    before, copy = files(earlier), tmp_path / "copy"
    shutil.copytree(earlier, copy, symlinks=True)
    pawl(copy, "rollback", TASK, "--to", "2", "--reason", "back")
    shutil.move(earlier, tmp_path / "gone")
    pawl(copy, "verify", TASK, "2")
    assert files(tmp_path / "gone") == before


def test_a_runs_place_outside_the_stores_folder_is_refused(bench: Bench) -> None:
    run = bench.cycle(1).run_id
    with closing(sqlite3.connect(bench.workspace.database)) as database, database:
        database.execute("UPDATE runs SET artifact_uri = 'mlflow-artifacts:/../../x'")
    with pytest.raises(RegistryError, match=r"names the place 'mlflow-artifacts:/\.\./\.\./x'"):
        open_store(bench.workspace).client.list_artifacts(run)


def test_a_database_elsewhere_has_its_artifacts_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{shared}/store.db")
    for name, seed in (("one", 1), ("two", 2)):
        make_bench(tmp_path / name).cycle(seed)
        assert not (tmp_path / name / ".pawl" / "artifacts").exists()
        if name == "one":  # the same people release in both
            shutil.copytree(
                tmp_path / "one" / ".pawl" / "keys", tmp_path / "two" / ".pawl" / "keys"
            )
            shutil.copy(tmp_path / "one" / "pawl.pub", tmp_path / "two")
    assert len(list((shared / "artifacts" / TASK).iterdir())) == 2
    named = [
        place for place in places(shared / "store.db") if place.startswith("mlflow-artifacts:")
    ]
    assert len(named) >= 2 * 4
