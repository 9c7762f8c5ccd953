"""Artifacts of a SQLite store: in the folder `artifacts` beside its file, named relatively.

MLflow writes absolute paths into its database, so that a copied workspace would write its evidence
into the original's folder. Pawl names places by MLflow's own scheme for what a server resolves,
`mlflow-artifacts:/TASK/RUN/artifacts`: this process resolves it by the store's file, the server of
`pawl ui` by `--artifacts-destination`. Databases of before are rewritten once, as they are opened.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pawl.errors import RegistryError
from pawl.store.addresses import sqlite_file

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

SCHEME = "mlflow-artifacts"
FOLDER = "artifacts"
# What stood before the relative part of a place in a workspace's database.
BEFORE = f"/.pawl/{FOLDER}/"
# The columns that hold places, the experiments' first: the others follow from theirs.
PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
# MLflow's own experiment, whose place follows from the folder that the first command ran in.
DEFAULT = "/mlruns/0"
BUSY_SECONDS = 30.0


def artifacts_folder(uri: str) -> Path | None:
    """The folder of a SQLite store's artifacts; None for other stores."""
    file = sqlite_file(uri)
    return None if file is None else file.absolute().parent / FOLDER


def local_folder(root: Path, place: str) -> Path:
    """The folder of a relative place; `root` is the folder of the store's artifacts.

    Raises:
        RegistryError: it leads out of that folder.
    """
    folder = Path(os.path.normpath(root / unquote(urlsplit(place).path).lstrip("/")))
    if not folder.is_relative_to(root):
        raise RegistryError(
            f"the tracking store in {root.parent} names the place {place!r}",
            rule=f"artifacts of a SQLite store are in the folder `{FOLDER}` beside its file",
            remedy="that place was not written by Pawl: delete the run or experiment in MLflow",
        )
    return folder


def resolve_here() -> None:
    """Have MLflow, in this process, resolve relative places by the file of their store."""
    from mlflow.store.artifact.artifact_repository_registry import _artifact_repository_registry
    from mlflow.tracking._tracking_service import utils

    _artifact_repository_registry.register(SCHEME, _repository)  # type: ignore[no-untyped-call]
    # MLflow remembers places by run alone, and copies of a workspace have the same runs.
    utils._artifact_repos_cache.clear()


def make_relative(file: Path) -> None:
    """Rewrite the absolute places in a workspace's own database, in one transaction.

    Raises:
        sqlite3.Error: it is no database of MLflow's, or stays locked.
    """
    if not os.access(file, os.W_OK):
        return  # then nothing is written to what it names either
    with closing(sqlite3.connect(file, timeout=BUSY_SECONDS)) as database:
        if not _changes(database, *PLACES[0]):
            return
        with database:
            # What this reads is no older than what it writes.
            database.execute("BEGIN IMMEDIATE")
            for table, column in PLACES:
                sql = f"UPDATE {table} SET {column} = ? WHERE {column} = ?"  # noqa: S608 - ours
                database.executemany(sql, _changes(database, table, column))


def _changes(database: sqlite3.Connection, table: str, column: str) -> list[tuple[str, str]]:
    """The relative place for each absolute one in a column, and the absolute one."""
    local = f"({column} LIKE '/%' OR {column} LIKE 'file:%')"
    rows = database.execute(f"SELECT DISTINCT {column} FROM {table} WHERE {local}")  # noqa: S608
    changes = []
    for (place,) in rows:
        _, own, rest = place.rpartition(BEFORE)
        if own:
            changes.append((f"{SCHEME}:/{rest}", place))
        elif table == "experiments" and place.endswith(DEFAULT) and not _used(database):
            changes.append((f"{SCHEME}:/0", place))
    return changes


def _used(database: sqlite3.Connection) -> bool:
    return bool(database.execute("SELECT 1 FROM runs WHERE experiment_id = 0 LIMIT 1").fetchall())


def _repository(
    artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
) -> ArtifactRepository:
    """MLflow's repository for a relative place: of files for a SQLite store, else of a server."""
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
    from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

    if tracking_uri is None or (root := artifacts_folder(tracking_uri)) is None:
        return MlflowArtifactsRepository(artifact_uri, tracking_uri, registry_uri)
    folder = local_folder(root, artifact_uri)
    return LocalArtifactRepository(folder.as_uri(), tracking_uri, registry_uri)
