"""A backup is the record as it was at one moment; a restore brings it back, or changes nothing."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
from contextlib import closing
from pathlib import Path

import pytest
from workbench import TASK, Bench

from pawl.commands.backup import CONTENTS, backup
from pawl.commands.restore import restore
from pawl.core.files import digest_file
from pawl.core.records import read_record
from pawl.cycle.outbox import Order, waiting_orders
from pawl.errors import PawlError, UsageError
from pawl.release.release import rollback
from pawl.store.client import open_store
from pawl.workspace.paths import Workspace

HERE = Path(__file__).parent
CYCLES = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(HERE.parent)!r})
from workbench import Bench
from pawl.store.client import open_store
from pawl.workspace.paths import Workspace
workspace = Workspace(Path(sys.argv[1]))
bench = Bench(workspace, open_store(workspace))
for seed in map(int, sys.argv[2:]):
    bench.cycle(seed)
    print(seed, flush=True)
"""


def files(root: Path) -> dict[str, str]:
    # Of all that is there, a lock alone is written by a command that changes nothing.
    found = (path for path in root.rglob("*") if path.is_file() and path.name != "cycle.lock")
    return {str(path.relative_to(root)): digest_file(path) for path in found}


def pawl(workspace: Workspace, *words: str) -> str:
    """Run a command in a process of its own: a deleted database stays open in this one."""
    command = [sys.executable, "-m", "pawl", "-C", str(workspace.root), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def fill(bench: Bench) -> None:
    """Files as a record has them, in no time; the database is there."""
    home = bench.workspace.home
    for number in range(6):
        for name in (
            f"artifacts/{TASK}/r{number}/artifacts/verdict.json",
            f"releases/{TASK}/{number}",
        ):
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_bytes(os.urandom(3000))
    (home / "keys").mkdir(mode=0o700)
    (home / "keys" / "signing.key").write_bytes(b"a private key")


def record(workspace: Workspace) -> dict[str, str]:
    """What a backup must bring back."""
    anew = ("copies", "dvc", "keys")
    return {
        name: digest
        for name, digest in files(workspace.home).items()
        if name.partition("/")[0] not in anew and name != "mlflow.db"
    }


def rewritten(source: Path, target: Path, change: object) -> Path:
    """A backup with each member changed by a function of its name and bytes; None leaves it out."""
    with tarfile.open(source) as old, tarfile.open(target, "w:gz") as new:
        for member in old:
            file = old.extractfile(member)
            assert file is not None
            if (data := change(member.name, file.read())) is not None:  # type: ignore[operator]
                member.size = len(data)
                new.addfile(member, io.BytesIO(data))
    return target


def test_a_deleted_record_comes_back_whole(bench: Bench, tmp_path: Path) -> None:
    bench.cycle(1)
    bench.cycle(2)
    written = pawl(bench.workspace, "history", TASK, "--json")
    before = record(bench.workspace)
    made = backup(bench.workspace, tmp_path / "record.pawl", keys=True, data=False)
    assert (made.files, made.keys, made.store) == (len(before) + 1 + keys(bench), True, None)
    shutil.rmtree(bench.workspace.home)
    brought = restore(bench.workspace, tmp_path / "record.pawl")
    assert (brought.files, brought.bytes, brought.made) == (made.files, made.bytes, made.made)
    assert record(bench.workspace) == before
    assert pawl(bench.workspace, "history", TASK, "--json") == written
    pawl(bench.workspace, "verify", TASK)
    subprocess.run([sys.executable, "-c", CYCLES, str(bench.workspace.root), "3"], check=True)
    left = {path.name for path in bench.workspace.home.iterdir()}
    assert not [name for name in left if name.startswith(".")]


def keys(bench: Bench) -> int:
    return len(files(bench.workspace.home / "keys"))


def test_what_lies_below_pawl_is_in_a_backup_or_known_to_be_made_anew(
    bench: Bench, tmp_path: Path
) -> None:
    fill(bench)
    (bench.workspace.home / "coming").mkdir()
    (bench.workspace.home / "coming" / "state.json").write_text("{}")
    backup(bench.workspace, tmp_path / "b", keys=False, data=False)
    with tarfile.open(tmp_path / "b") as tar:
        names = {name.removeprefix("home/") for name in tar.getnames()}
    assert names == {*record(bench.workspace), "mlflow.db", CONTENTS}
    assert "coming/state.json" in names


def test_keys_are_in_a_backup_on_request_alone_and_nobody_else_reads_it(
    bench: Bench, tmp_path: Path
) -> None:
    fill(bench)
    key = (bench.workspace.home / "keys" / "signing.key").read_bytes()
    for with_keys in (False, True):
        file = tmp_path / f"{with_keys}.pawl"
        backup(bench.workspace, file, keys=with_keys, data=False)
        assert file.stat().st_mode & 0o077 == 0
        assert (key in gzip.decompress(file.read_bytes())) is with_keys
    shutil.rmtree(bench.workspace.home)
    restore(bench.workspace, tmp_path / "True.pawl")
    restored = bench.workspace.home / "keys" / "signing.key"
    assert restored.read_bytes() == key
    assert (restored.stat().st_mode & 0o777, restored.parent.stat().st_mode & 0o777) == (
        0o600, 0o700,
    )  # fmt: skip


def test_a_restored_copy_elsewhere_goes_on_and_leaves_the_original_alone(
    bench: Bench, tmp_path: Path
) -> None:
    bench.cycle(1)
    backup(bench.workspace, tmp_path / "b", keys=True, data=False)
    bench.cycle(2)
    other = tmp_path / "other"
    shutil.copytree(bench.workspace.root, other, ignore=shutil.ignore_patterns(".pawl"))
    before = files(bench.workspace.root)
    restore(Workspace(other), tmp_path / "b")
    done = subprocess.run([sys.executable, "-c", CYCLES, str(other), "7"], check=False)
    assert done.returncode == 0
    assert files(bench.workspace.root) == before


def test_what_waits_in_the_outbox_waits_again(bench: Bench, tmp_path: Path) -> None:
    fill(bench)
    order = bench.workspace.outbox / TASK / "0123" / "order.json"
    order.parent.mkdir(parents=True)
    waits = Order(TASK, "op", "id", "q", "Ada", "w", "c", {})
    order.write_text(json.dumps(waits.__dict__ | {"notes": []}))
    backup(bench.workspace, tmp_path / "b", keys=False, data=False)
    shutil.rmtree(bench.workspace.home)
    restore(bench.workspace, tmp_path / "b")
    (folder,) = waiting_orders(bench.workspace, TASK)
    assert read_record(folder / "order.json", Order) == waits


@pytest.mark.slow
def test_each_backup_that_is_taken_while_cycles_run_is_a_whole_record(
    bench: Bench, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", CYCLES, str(bench.workspace.root), *map(str, range(1, 5))]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    writer.stdout.readline()
    taken = []
    while writer.poll() is None:
        taken.append(tmp_path / f"{len(taken)}.pawl")
        backup(bench.workspace, taken[-1], keys=True, data=False)
        time.sleep(0.2)  # the writer's turn
    assert writer.returncode == 0
    assert len(taken) > 1
    for number, file in enumerate(taken[:: max(1, len(taken) // 3)]):
        root = tmp_path / f"restored-{number}"
        ignored = shutil.ignore_patterns(".pawl")
        shutil.copytree(bench.workspace.root, root, ignore=ignored)
        workspace = Workspace(root)
        restore(workspace, file)
        # At one moment a release has its entry and not yet its alias: `status` ends it.
        pawl(workspace, "status", TASK)
        pawl(workspace, "verify", TASK)


def test_nothing_that_is_there_is_overwritten(bench: Bench, tmp_path: Path) -> None:
    fill(bench)
    backup(bench.workspace, tmp_path / "b", keys=True, data=False)
    with closing(sqlite3.connect(bench.workspace.database)) as database, database:
        database.execute("CREATE TABLE later (x)")
    before = files(bench.workspace.root)
    with pytest.raises(UsageError, match="the backup has other bytes for") as refused:
        restore(bench.workspace, tmp_path / "b")
    assert files(bench.workspace.root) == before
    # The remedy works.
    _, _, remedy = refused.value.remedy.partition("mv ")
    there, away = remedy.partition(";")[0].split()
    Path(there).rename(away)
    restore(bench.workspace, tmp_path / "b")
    with closing(sqlite3.connect(bench.workspace.database)) as database:
        assert not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'later'").fetchall()


def test_another_databases_journal_is_not_taken_for_the_restored_ones(
    bench: Bench, tmp_path: Path
) -> None:
    fill(bench)
    backup(bench.workspace, tmp_path / "b", keys=True, data=False)
    bench.workspace.database.unlink()
    (bench.workspace.home / "mlflow.db-journal").write_bytes(b"another one's changes")
    with pytest.raises(UsageError, match=r"mlflow\.db-journal"):
        restore(bench.workspace, tmp_path / "b")
    assert not bench.workspace.database.exists()


def test_what_a_newer_record_lost_is_brought_back_and_the_rest_stays(
    bench: Bench, tmp_path: Path
) -> None:
    first = bench.cycle(1).run_id
    backup(bench.workspace, tmp_path / "b", keys=True, data=False)
    bench.cycle(2)
    before = record(bench.workspace)
    shutil.rmtree(bench.workspace.home / "artifacts" / TASK / str(first))
    shutil.rmtree(bench.workspace.home / "adapters" / TASK / "1")
    brought = restore(bench.workspace, tmp_path / "b", missing=True)
    assert record(bench.workspace) == before
    assert 0 < brought.files < len(before)
    rollback(bench.workspace, bench.store, TASK, why="back", who="Bo")


def test_restoring_twice_is_restoring_once(bench: Bench, tmp_path: Path) -> None:
    fill(bench)
    backup(bench.workspace, tmp_path / "b", keys=True, data=False)
    shutil.rmtree(bench.workspace.home)
    restore(bench.workspace, tmp_path / "b")
    before = files(bench.workspace.root)
    restore(bench.workspace, tmp_path / "b")
    assert files(bench.workspace.root) == before


@pytest.mark.parametrize("fault", ["cut", "cut list", "bit", "bytes", "left out", "added", "empty"])
def test_a_backup_that_was_cut_or_altered_is_refused_and_nothing_changes(
    bench: Bench, tmp_path: Path, fault: str
) -> None:
    fill(bench)
    file, bad = tmp_path / "b", tmp_path / "bad"
    backup(bench.workspace, file, keys=True, data=False)
    shutil.rmtree(bench.workspace.home)
    data, name = file.read_bytes(), "home/releases"
    if fault == "cut":
        bad.write_bytes(data[: len(data) // 2])
    elif fault == "cut list":
        rewritten(file, bad, lambda n, b: None if n == CONTENTS else b)
    elif fault == "bit":
        middle = len(data) // 2
        bad.write_bytes(data[:middle] + bytes([data[middle] ^ 8]) + data[middle + 1 :])
    elif fault == "bytes":
        rewritten(file, bad, lambda n, b: b + b" " if n.startswith(name) else b)
    elif fault == "left out":
        rewritten(file, bad, lambda n, b: None if n.startswith(name) else b)
    elif fault == "added":
        rewritten(file, bad, lambda _, b: b)
        with gzip.open(bad) as packed:
            text = packed.read()
        with tarfile.open(fileobj=io.BytesIO(text)) as old, tarfile.open(bad, "w:gz") as new:
            for member in old:
                new.addfile(member, old.extractfile(member))
            more = tarfile.TarInfo("home/keys/other.key")
            new.addfile(more, io.BytesIO(b""))
    else:
        bad.write_bytes(b"")
    with pytest.raises(UsageError, match="nothing changed"):
        restore(bench.workspace, bad)
    assert files(bench.workspace.home) == {}
    restore(bench.workspace, file)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("home/../../x", tarfile.REGTYPE), ("/x", tarfile.REGTYPE), ("home", tarfile.REGTYPE),
        ("flows/retrain.py", tarfile.REGTYPE), ("home/x", tarfile.SYMTYPE),
        ("home/x", tarfile.LNKTYPE), ("home/x", tarfile.FIFOTYPE), ("home//x", tarfile.REGTYPE),
        ("home/x\0y", tarfile.REGTYPE), ("home/" + "x" * 300, tarfile.REGTYPE),
    ],
)  # fmt: skip
def test_a_hostile_file_leaves_nothing_outside_and_shows_no_traceback(
    bench: Bench, tmp_path: Path, name: str, kind: bytes
) -> None:
    bad = tmp_path / "bad"
    with tarfile.open(bad, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member, io.BytesIO())
    before = files(tmp_path)
    with pytest.raises(UsageError, match="bad "):
        restore(bench.workspace, bad)
    assert files(tmp_path) == before


def test_a_backup_replaces_no_file_and_lies_not_in_what_it_backs_up(
    bench: Bench, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    there.write_text("mine")
    for target in (there, bench.workspace.home / "b", tmp_path / "absent" / "b"):
        with pytest.raises(UsageError):
            backup(bench.workspace, target, keys=False, data=False)
    assert there.read_text() == "mine"
    made = backup(bench.workspace, tmp_path, keys=False, data=False)
    assert Path(made.file).parent == tmp_path


def test_a_damaged_database_is_no_backup(bench: Bench, tmp_path: Path) -> None:
    fill(bench)
    with bench.workspace.database.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(os.urandom(4096 * 20))
    with pytest.raises(PawlError, match="is damaged"):
        backup(bench.workspace, tmp_path / "b", keys=False, data=False)
    assert not list(tmp_path.glob("*b*.new-*"))
    assert not (tmp_path / "b").exists()


def killed(bench: Bench, *words: str, when: object) -> None:
    """Run a command and kill it as soon as something is true."""
    command = [sys.executable, "-m", "pawl", *words]
    process = subprocess.Popen(command, cwd=bench.workspace.root, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not when() and process.poll() is None:  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_backup_that_is_killed_leaves_no_file_of_that_name(bench: Bench, tmp_path: Path) -> None:
    fill(bench)
    (bench.workspace.home / "artifacts" / "large").write_bytes(os.urandom(200_000_000))
    target = tmp_path / "b"
    killed(bench, "backup", str(target), when=lambda: list(tmp_path.glob(".b.new-*")))
    assert not target.exists()
    (bench.workspace.home / "artifacts" / "large").unlink()
    backup(bench.workspace, target, keys=True, data=False)
    shutil.rmtree(bench.workspace.home)
    restore(bench.workspace, target)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_a_restore_that_is_killed_is_doubted_and_the_next_one_completes_it(
    bench: Bench, tmp_path: Path, share: float
) -> None:
    fill(bench)
    for number in range(300):  # time to be killed in
        (bench.workspace.home / "artifacts" / f"n{number}").write_bytes(os.urandom(2000))
    before = record(bench.workspace)
    backup(bench.workspace, tmp_path / "b", keys=True, data=False)
    shutil.rmtree(bench.workspace.home)
    least = share * len(before)
    home = bench.workspace.home
    there = lambda: share and sum(p.is_file() for p in home.rglob("n*")) > least  # noqa: E731
    first = lambda: not share and list(home.glob(".restore.new-*/*"))  # noqa: E731
    killed(bench, "restore", str(tmp_path / "b"), when=lambda: there() or first())
    if not bench.workspace.database.exists():
        with pytest.raises(PawlError, match="is gone"):
            open_store(bench.workspace)
    restore(bench.workspace, tmp_path / "b")
    assert record(bench.workspace) == before
    with closing(sqlite3.connect(bench.workspace.database)) as database:
        assert database.execute("PRAGMA quick_check").fetchone() == ("ok",)


def test_a_server_that_has_the_record_is_named(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ada:s3cret@example.org")
    made = backup(bench.workspace, tmp_path / "b", keys=False, data=False)
    assert made.store == "http://ada:***@example.org"
