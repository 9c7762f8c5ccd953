"""A SQLite store read without MLflow answers as MLflow does, or leaves the answer to it."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from workbench import TASK, Bench

from pawl.commands.status import status
from pawl.errors import RegistryError
from pawl.ledger.ledger import model
from pawl.ledger.state import read_ledger
from pawl.release.verify import verify
from pawl.store.addresses import PLAIN_SQLITE, is_sqlite, parsed, sqlite_file
from pawl.store.client import Store, check_connection, open_store
from pawl.store.cycle_runs import POSTED, find_delivered, last_cycle
from pawl.store.registry import all_versions
from pawl.store.runs import copy_files, list_files
from pawl.store.sqlite_reader import open_reader
from pawl.store.version_tags import read_model, version_page
from pawl.store.versions import versions

# Each argument is a command line; then the modules that are loaded by now.
WORDS = """
import sys
from contextlib import suppress
from pawl.cli import main
for line in sys.argv[1:]:
    sys.argv[1:] = line.split()
    with suppress(SystemExit):
        main()
print(*sys.modules)
"""


def both(bench: Bench) -> tuple[Store, Store]:
    light = open_store(bench.workspace, reading=True)
    assert light.reader is not None
    return light, bench.store


def test_whatever_is_read_is_what_mlflow_answers(bench: Bench, tmp_path: Path) -> None:
    bench.cycle(1)
    bench.cycle(2, "reject")
    bench.cycle(3)
    # A deleted version, a deleted run, tags and a run that has not ended count for neither.
    client = bench.store.client
    added = client.create_model_version(TASK, "pawl:/x", tags={"a": "b"})
    client.delete_model_version(TASK, added.version)
    experiment = client.get_experiment_by_name(TASK).experiment_id
    gone = client.create_run(experiment, tags={"pawl.verdict": "promote"})
    client.set_terminated(gone.info.run_id)
    client.delete_run(gone.info.run_id)
    client.create_run(experiment, tags={"pawl.verdict": "promote"})

    light, plain = both(bench)
    for name in (TASK, model(TASK), "no-such-model"):
        for since in (1, 2, 99):
            read = all_versions(light, name, since=since)
            assert read == all_versions(plain, name, since=since)
    assert read_model(light, TASK) == read_model(plain, TASK) != (None, {})
    assert read_model(light, "no-such-model") == read_model(plain, "no-such-model")
    assert version_page(light, TASK, 1) == version_page(plain, TASK, 1)
    for store in (light, plain):
        with pytest.raises(RegistryError, match="was deleted in MLflow"):
            version_page(store, TASK, int(added.version))
    assert last_cycle(light, TASK) == last_cycle(plain, TASK) is not None
    assert last_cycle(light, "other") == last_cycle(plain, "other") is None
    run = versions(plain, TASK)[0].run_id
    posted = client.get_run(run).data.tags[POSTED]
    assert find_delivered(light, TASK, posted) == find_delivered(plain, TASK, posted) is not None
    for folder in ("", "adapter", "no-such-folder"):
        assert list_files(light, run, folder) == list_files(plain, run, folder)
    for name in ("adapter", "verdict.json", "eval/report.json"):
        copies = []
        for store, into in ((light, tmp_path / "light"), (plain, tmp_path / "plain")):
            into.mkdir(exist_ok=True)
            copies.append(files_of(copy_files(store, run, name, into), into))
        assert copies[0] == copies[1] != {}
    check_connection(light)
    assert read_ledger(light, TASK) == read_ledger(plain, TASK)
    assert verify(bench.workspace, light, TASK) == verify(bench.workspace, plain, TASK)


def files_of(path: Path, below: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {str(file.relative_to(below)): file.read_bytes() for file in files}


def test_what_another_process_writes_is_read_at_the_next_question(bench: Bench) -> None:
    light, _ = both(bench)
    bench.cycle(1)
    assert [one.version for one in versions(light, TASK)] == [1]
    assert status(bench.workspace, light, TASK).champion.version == 1


def test_an_alias_moved_by_hand_is_set_back_by_a_command_that_reads(bench: Bench) -> None:
    bench.cycle(1)
    bench.cycle(2)
    bench.store.client.set_registered_model_alias(TASK, "champion", "1")
    light, plain = both(bench)
    notes = status(bench.workspace, light, TASK).notes
    assert any("moved" in note for note in notes)
    assert read_model(light, TASK)[0] == read_model(plain, TASK)[0] == 2


def test_where_a_store_is_not_known_mlflow_is_asked(
    empty_store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = Path(shutil.copy(empty_store, tmp_path))
    # The schema that the queries were written for is that of the MLflow that is installed.
    assert open_reader(file) is not None
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    assert open_reader(file) is None
    monkeypatch.delenv("MLFLOW_ENABLE_WORKSPACES")
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'abc'")
    assert open_reader(file) is None
    file.write_bytes(b"no database")
    assert open_reader(file) is None
    assert open_reader(tmp_path / "missing.db") is None


def test_a_runs_place_and_a_files_name_never_lead_out_of_its_folder(
    bench: Bench, tmp_path: Path
) -> None:
    bench.cycle(1)
    light, _ = both(bench)
    run = versions(light, TASK)[0].run_id
    (tmp_path / "secret").write_text("secret")
    place = bench.workspace.home / "artifacts" / TASK / run / "artifacts"
    (place / "link").symlink_to(tmp_path / "secret")
    for name in ("../../../../secret", "link", str(tmp_path / "secret")):
        with pytest.raises(OSError, match="No such artifact"):
            copy_files(light, run, name, tmp_path)
    with closing(sqlite3.connect(bench.workspace.database)) as database, database:
        database.execute("UPDATE runs SET artifact_uri = 'mlflow-artifacts:/../../..'")
    with pytest.raises(RegistryError, match="names the place"):
        list_files(light, run)


@pytest.mark.parametrize(
    "uri",
    [
        "sqlite:////tmp/a/mlflow.db", "sqlite:///relative.db", "sqlite:////tmp/with space.db",
        "sqlite:////tmp/a%41.db", "sqlite:////tmp/a.db?timeout=3", "sqlite://", "sqlite+x:////a",
        "http://h", "postgresql://u:p@h/d", "/plain/path", "sqlite:///:memory:",
    ],
)  # fmt: skip
def test_an_address_is_read_as_sqlalchemy_reads_it(uri: str) -> None:
    url = parsed(uri)
    sqlite = url is not None and url.get_backend_name() == "sqlite"
    assert is_sqlite(uri) == sqlite
    assert sqlite_file(uri) == (Path(url.database) if sqlite and url and url.database else None)
    if PLAIN_SQLITE.fullmatch(uri):
        assert url is not None
        assert url.render_as_string() == uri


HEAVY = ("mlflow", "torch", "transformers", "sqlalchemy", "pandas", "prefect", "dvc", "scipy")


def test_commands_that_read_load_nothing_heavy(bench: Bench) -> None:
    bench.cycle(1)
    bench.cycle(2)
    commands = ["--help", f"history {TASK}", f"status {TASK}", f"status {TASK} --lineage"]
    commands += [f"compare {TASK} 1 2", f"verify {TASK}", f"flips {TASK}", f"data log {TASK}"]
    done = subprocess.run(
        [sys.executable, "-c", WORDS, *commands],
        cwd=bench.workspace.root,
        capture_output=True,
        text=True,
        check=False,
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert {"pawl.commands.flips", "pawl.release.verify"} <= loaded, done.stderr
    assert not loaded & set(HEAVY)
