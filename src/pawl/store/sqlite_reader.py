"""What reading commands ask of a SQLite store, read from its file: importing MLflow takes seconds.

Only a database with the schema that these queries were compared with is read so; every other
store, and whatever is written, goes through MLflow. The file is opened read-only.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawl.store.artifact_places import SCHEME, artifacts_folder, local_folder
from pawl.store.pages import ModelPage, RunPage, VersionPage

# Revisions of MLflow's schema (`alembic_version`): 3.17's. tests/store/test_sqlite_reader.py
# compares every answer with MLflow's own, and fails where the installed MLflow has another one.
SCHEMAS = frozenset({"dc11669786a5"})
BUSY_SECONDS = 30.0
# MLflow's own, of a server of several teams; without them all is in the workspace `default`.
TEAMS = ("MLFLOW_ENABLE_WORKSPACES", "MLFLOW_WORKSPACE")
VERSIONS = """
    SELECT name, version, run_id, creation_time FROM model_versions
    WHERE workspace = 'default' AND name = ? AND current_stage IS NOT 'Deleted_Internal'
"""


@dataclass(frozen=True)
class SqliteReader:
    """A SQLite store that is read without MLflow; each question sees what is committed by then.

    Its methods raise `sqlite3.Error` and `OSError`, as MLflow's do within `store_errors`.
    """

    file: Path

    def versions(self, model: str, *, since: int = 1) -> list[VersionPage]:
        """A registered model's versions from the number `since` on, oldest first."""
        with self._open() as database:
            query = f"{VERSIONS} AND version >= ? ORDER BY version"
            return list(_pages(database, database.execute(query, (model, since)).fetchall()))

    def version(self, model: str, number: int | str) -> VersionPage | None:
        """One version of a registered model, None where it is not listed."""
        with self._open() as database:
            found = database.execute(f"{VERSIONS} AND version = ?", (model, number)).fetchall()
            return next(_pages(database, found), None)

    def model_names(self) -> list[str]:
        """The names of all registered models, sorted."""
        query = "SELECT name FROM registered_models WHERE workspace = 'default' ORDER BY name"
        with self._open() as database:
            return [str(name) for (name,) in database.execute(query)]

    def model(self, name: str) -> ModelPage | None:
        """The aliases and tags of a registered model, None where there is none."""
        of = "FROM {} WHERE workspace = 'default' AND name = ?"
        with self._open() as database:
            # One transaction: the alias and the tags that belong to it are of one moment.
            database.execute("BEGIN")
            if not database.execute(
                f"SELECT 1 {of.format('registered_models')}", (name,)
            ).fetchall():
                return None
            aliases = f"SELECT alias, version {of.format('registered_model_aliases')}"
            tags = f"SELECT key, value {of.format('registered_model_tags')}"
            return ModelPage(
                aliases={alias: int(at) for alias, at in database.execute(aliases, (name,))},
                tags=dict(database.execute(tags, (name,))),
            )

    def newest_finished(self, experiment: str, tag: str, value: str | None) -> RunPage | None:
        """The newest finished run with a tag, of that value (None: any but '')."""
        query = """
            SELECT r.run_uuid, r.end_time FROM runs r JOIN experiments e USING (experiment_id)
            JOIN tags t USING (run_uuid)
            WHERE e.workspace = 'default' AND e.name = ? AND r.lifecycle_stage = 'active'
            AND r.status = 'FINISHED' AND t.key = ?
            AND (t.value = ? OR (? IS NULL AND t.value != ''))
            ORDER BY r.start_time DESC, r.run_uuid LIMIT 1
        """
        with self._open() as database:
            found = database.execute(query, (experiment, tag, value, value)).fetchone()
            if found is None:
                return None
            tags = database.execute("SELECT key, value FROM tags WHERE run_uuid = ?", found[:1])
            return RunPage(run_id=found[0], end_time=found[1], tags=dict(tags))

    def files(self, run_id: str, folder: str = "") -> dict[str, int] | None:
        """Names in a folder of a run, and sizes (of a folder: 0); None: MLflow is to be asked."""
        place = self._place(run_id)
        if place is None:
            return None
        found = _within(place, folder)
        if not found.is_dir():
            return {}
        return {
            str(path.relative_to(place)): path.stat().st_size if path.is_file() else 0
            for path in sorted(found.iterdir())
        }

    def copy(self, run_id: str, name: str, into: Path) -> Path | None:
        """Copy a file or folder of a run into the folder `into`; None: MLflow is to be asked."""
        place = self._place(run_id)
        if place is None:
            return None
        source = _within(place, name)
        target = into / source.name
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, target)
        return target

    def _place(self, run_id: str) -> Path | None:
        """The folder of a run's files; None where its place is unknown or not a relative one."""
        query = "SELECT artifact_uri FROM runs WHERE run_uuid = ?"
        with self._open() as database:
            uri = (database.execute(query, (run_id,)).fetchone() or ("",))[0] or ""
        root = artifacts_folder(f"sqlite:///{self.file}")
        if root is None or not uri.startswith(f"{SCHEME}:/"):
            return None
        return local_folder(root, uri)

    def _open(self) -> closing[sqlite3.Connection]:
        return closing(_connect(self.file))


def open_reader(file: Path) -> SqliteReader | None:
    """A reader of the store in `file`; None where MLflow has to be asked instead."""
    if any(os.environ.get(name) for name in TEAMS) or not file.is_file():
        return None
    try:
        with closing(_connect(file)) as database:
            revisions = {
                revision for (revision,) in database.execute("SELECT * FROM alembic_version")
            }
    except sqlite3.Error:
        return None  # MLflow says what is wrong with it
    return SqliteReader(file) if revisions and revisions <= SCHEMAS else None


def _connect(file: Path) -> sqlite3.Connection:
    address = f"{file.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def _pages(database: sqlite3.Connection, found: Sequence[Any]) -> Iterator[VersionPage]:
    query = """
        SELECT version, key, value FROM model_version_tags
        WHERE workspace = 'default' AND name = ? AND version BETWEEN ? AND ?
    """
    tags: dict[int, dict[str, str]] = {row[1]: {} for row in found}
    if found:
        for number, key, value in database.execute(query, (found[0][0], found[0][1], found[-1][1])):
            if number in tags:
                tags[number][key] = value
    for name, number, run_id, created in found:
        yield VersionPage(name, number, run_id, created, tags[number])


def _within(place: Path, name: str) -> Path:
    """A file or folder of a run; no name and no link leads out of the run's folder."""
    found = place / name
    if not found.resolve().is_relative_to(place.resolve()):
        raise OSError(f"No such artifact: '{name}'")
    return found
