"""MLflow behind a small interface: SQLite files and tracking servers alike.

Only this room imports mlflow. Importing it takes two seconds: commands that read do so only where
the store cannot be read without it (`pawl.store.sqlite_reader`).
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pawl.errors import RegistryError
from pawl.store.addresses import displayed, is_sqlite, redacted, sqlite_file
from pawl.store.artifact_places import SCHEME, make_relative, resolve_here
from pawl.store.probe import briefly, probe_database
from pawl.store.sqlite_reader import SqliteReader, open_reader
from pawl.workspace.environment import quiet_environment
from pawl.workspace.names import shared_name, workspace_name
from pawl.workspace.paths import Workspace
from pawl.workspace.record import refuse_lost_record

if TYPE_CHECKING:
    from mlflow import MlflowClient

ADDRESS, RETRIES = "MLFLOW_TRACKING_URI", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
LIBRARY_ERRORS = {"mlflow.exceptions": "MlflowException", "sqlalchemy.exc": "SQLAlchemyError"}
Result = TypeVar("Result")


@dataclass(frozen=True)
class Store:
    """An open tracking store; `artifacts` is the place of its experiments', None: the server's.

    `name` is the workspace's (see `pawl.workspace.names`), which every name in the store begins
    with. `seen` caches the ledger entries read so far, by registered model: they are never edited.
    Every function that takes a store raises `RegistryError` where it cannot be reached.
    """

    uri: str
    artifacts: str | None
    workspace: Workspace
    reader: SqliteReader | None = None
    name: str | None = None
    seen: dict[str, tuple[Any, ...]] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's client; the first use imports MLflow and connects."""
        return _connect(self.workspace, self.uri)

    def named(self, task: str) -> str:
        """The name in MLflow of a task's experiment and registered model, or of its ledger's.

        But for links to MLflow's pages only this room uses it: everywhere else a task has its own
        name, in signatures too, so that a record that moves to another name stays what was signed.
        """
        return shared_name(self.name, task)


def open_store(workspace: Workspace, *, reading: bool = False) -> Store:
    """Open the workspace's tracking store, making the SQLite file and its folders if absent.

    With `reading`, a SQLite store that is there is read without MLflow where that is possible;
    what is written goes through MLflow all the same.

    Raises:
        RegistryError: the store cannot be reached or was written by a newer MLflow, or the
            workspace's own is gone.
        ParamsError: the workspace's name in `params.yaml` cannot be read.
    """
    refuse_lost_record(workspace)
    uri = workspace.tracking_uri
    reader, file = None, sqlite_file(uri)
    if reading and file is not None and (reader := open_reader(file)) is not None:
        with store_errors(uri):
            _keep_relative(workspace, file)
    name = workspace_name(workspace)
    store = Store(uri, f"{SCHEME}:" if is_sqlite(uri) else None, workspace, reader, name)
    if reader is None:
        store.client  # noqa: B018 - connects
    return store


def _connect(workspace: Workspace, uri: str) -> MlflowClient:
    # mlflow reads its settings when it is imported; telemetry and progress bars must be off by
    # then. The address is passed instead: in the environment it would be every workspace's.
    settings = quiet_environment(workspace).items()
    os.environ.update({k: v for k, v in settings if k.startswith("MLFLOW_") and k != ADDRESS})
    from mlflow import MlflowClient

    if (file := sqlite_file(uri)) is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    with store_errors(uri):
        probe_database(uri)
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        resolve_here()
        if file is not None:
            _keep_relative(workspace, file)
    return client


def _keep_relative(workspace: Workspace, file: Path) -> None:
    if file.absolute() == workspace.database.absolute():
        make_relative(file)


def check_connection(store: Store) -> None:
    """Ask the store for something small, to see whether it can be reached."""
    with store_errors(store.uri), briefly():
        if store.reader is not None:
            store.reader.model("")
            return
        store.client.search_experiments(max_results=1)


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Raise what MLflow and its transport raise as a `RegistryError` with a remedy."""
    try:
        yield
    except library_errors() as error:
        message = redacted(" ".join(str(error).split()), uri)[:300]
        raise RegistryError(
            f"the tracking store {displayed(uri)} failed: {message}",
            rule="cycles and releases are recorded in MLflow, or they do not happen",
            remedy="see that the server runs, its disk has space and MLFLOW_TRACKING_URI is right; "
            "a SQLite store written by a newer MLflow needs `mlflow db upgrade`",
        ) from None  # a traceback, as Prefect logs it, would show the address with its password


def library_errors() -> tuple[type[Exception], ...]:
    """What a store's libraries raise; of those that are not imported, nothing can be raised."""
    imported = [
        getattr(sys.modules[module], name)
        for module, name in LIBRARY_ERRORS.items()
        if module in sys.modules
    ]
    # requests' errors are OSErrors.
    return (sqlite3.Error, OSError, *imported)


@contextmanager
def no_retries() -> Iterator[None]:
    """Send no request twice: MLflow repeats one that got no reply, though it may have been done."""
    previous = os.environ.get(RETRIES)
    os.environ[RETRIES] = "0"
    try:
        yield
    finally:
        del os.environ[RETRIES]
        if previous is not None:
            os.environ[RETRIES] = previous


def none_if_absent(call: Callable[[], Result]) -> Result | None:
    """The call's result, or None where what it asks for does not exist in MLflow."""
    from mlflow.exceptions import MlflowException

    try:
        return call()
    except MlflowException as error:
        # MLflow 3 raises INVALID_PARAMETER_VALUE where a model exists but lacks the alias.
        lacks_alias = "alias" in str(error) and "not found" in str(error)
        if error.error_code == "RESOURCE_DOES_NOT_EXIST" or lacks_alias:
            return None
        raise


def ignore_if_exists(call: Callable[[], Any]) -> None:
    """Call; do nothing where MLflow raises that what it creates exists already."""
    from mlflow.exceptions import MlflowException

    try:
        call()
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
