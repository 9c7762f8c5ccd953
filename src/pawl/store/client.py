"""MLflow behind a small interface: SQLite files and tracking servers alike.

Only this room imports mlflow. Importing it takes two seconds: commands that read do so only where
the store cannot be read without it (`pawl.store.sqlite_reader`).
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pawl.errors import RegistryError
from pawl.store.addresses import displayed, is_sqlite, redacted, sqlite_file
from pawl.store.artifact_places import SCHEME, make_relative, resolve_here
from pawl.store.pages import VersionPage
from pawl.store.probe import briefly, probe_database
from pawl.store.sqlite_reader import SqliteReader, open_reader
from pawl.workspace.environment import quiet_environment
from pawl.workspace.paths import Workspace
from pawl.workspace.record import refuse_lost_record

if TYPE_CHECKING:
    from mlflow import MlflowClient

ADDRESS, RETRIES = "MLFLOW_TRACKING_URI", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
ALIAS = "champion"
PAGE = 500
# SQLite allows one writer at a time; MLflow gives up on a version number after three collisions.
ATTEMPTS = 8
BUSY = ("TEMPORARILY_UNAVAILABLE", "BAD_REQUEST", "INTERNAL_ERROR")
# SQLite accepts any length; a database that enforces its columns refuses longer texts.
DESCRIPTION = 5000
CUT = "\n\n… cut here, for MLflow keeps 5,000 characters"
LIBRARY_ERRORS = {"mlflow.exceptions": "MlflowException", "sqlalchemy.exc": "SQLAlchemyError"}
Result = TypeVar("Result")


@dataclass(frozen=True)
class Store:
    """An open tracking store; `artifacts` is the place of its experiments', None: the server's.

    `seen` caches the ledger entries read so far, by registered model: they are never edited.
    Every function that takes a store raises `RegistryError` where it cannot be reached.
    """

    uri: str
    artifacts: str | None
    workspace: Workspace
    reader: SqliteReader | None = None
    seen: dict[str, tuple[Any, ...]] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's client; the first use imports MLflow and connects."""
        return _connect(self.workspace, self.uri)


def open_store(workspace: Workspace, *, reading: bool = False) -> Store:
    """Open the workspace's tracking store, making the SQLite file and its folders if absent.

    With `reading`, a SQLite store that is there is read without MLflow where that is possible;
    what is written goes through MLflow all the same.

    Raises:
        RegistryError: the store cannot be reached or was written by a newer MLflow, or the
            workspace's own is gone.
    """
    refuse_lost_record(workspace)
    uri = workspace.tracking_uri
    reader, file = None, sqlite_file(uri)
    if reading and file is not None and (reader := open_reader(file)) is not None:
        with store_errors(uri):
            _keep_relative(workspace, file)
    store = Store(uri, f"{SCHEME}:" if is_sqlite(uri) else None, workspace, reader)
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


def add_version(
    store: Store,
    model: str,
    *,
    op_id: str,
    source: str,
    tags: dict[str, str],
    description: str,
    run_id: str | None = None,
) -> VersionPage:
    """Add a version with its tags in one transaction; the caller saw none with this `op_id`.

    The store assigns the number, one writer at a time. Where it is busy, this is tried again, after
    a look whether the last attempt got through after all; for some seconds, then it raises.
    """
    from mlflow.exceptions import MlflowException

    tags = {**tags, "pawl.op_id": op_id}
    description = cut(description, DESCRIPTION)
    with store_errors(store.uri):
        if not store.seen.get(model):
            _ensure_model(store, model)
        for attempt in range(ATTEMPTS):
            if attempt and (earlier := _of_attempt(store, model, tags)) is not None:
                return earlier
            try:
                with no_retries():
                    added = store.client.create_model_version(
                        model, source, run_id, tags, description=description, await_creation_for=0
                    )
                return VersionPage.of(added)
            except MlflowException as error:
                busy = "Giving up after" in str(error) or error.error_code in BUSY
                if not busy or attempt == ATTEMPTS - 1:
                    raise
            time.sleep(0.05 * 2**attempt)
    raise AssertionError("the last attempt returns or raises")


def cut(text: str, length: int) -> str:
    """The text, or so much of its beginning that it says at the end that it was cut."""
    return text if len(text) <= length else text[: length - len(CUT)] + CUT


def all_versions(store: Store, model: str, *, since: int = 1) -> list[VersionPage]:
    """A registered model's versions from the number `since` on, oldest first; empty if none."""
    query = f"name = '{model}'" + (f" AND version_number >= {since}" if since > 1 else "")
    order, token = ["version_number ASC"], None
    versions: list[VersionPage] = []
    with store_errors(store.uri):
        if store.reader is not None:
            return store.reader.versions(model, since=since)
        while True:
            page = store.client.search_model_versions(query, PAGE, order, token)
            versions += map(VersionPage.of, page)
            if not (token := page.token):
                return sorted(versions, key=lambda version: version.version)


def get_alias(store: Store, task: str) -> int | None:
    """The version that the alias `champion` points at, None where it points at none."""
    with store_errors(store.uri):
        version = none_if_absent(lambda: store.client.get_model_version_by_alias(task, ALIAS))
    return None if version is None else int(version.version)


def set_alias(store: Store, task: str, version: int | None) -> None:
    """Point the alias `champion` at a version, or remove it (None). The ledger decides, not it."""
    with store_errors(store.uri):
        if version is not None:
            store.client.set_registered_model_alias(task, ALIAS, str(version))
        elif get_alias(store, task) is not None:
            store.client.delete_registered_model_alias(task, ALIAS)


def _of_attempt(store: Store, model: str, tags: dict[str, str]) -> VersionPage | None:
    """The version that an attempt to add one with these tags has made, None if it made none."""
    # The attempt that may have got through was made seconds ago: it is among the newest.
    newest = store.client.search_model_versions(
        f"name = '{model}'", max_results=PAGE, order_by=["version_number DESC"]
    )
    # All tags, for anybody may add a version with another one's `op_id`.
    same = [page for page in map(VersionPage.of, newest) if tags.items() <= page.tags.items()]
    return same[-1] if same else None


def _ensure_model(store: Store, model: str) -> None:
    if none_if_absent(lambda: store.client.get_registered_model(model)) is not None:
        return
    description = (
        "The record of releases and looks, append-only; written by Pawl."
        if model.endswith(".ledger")
        else "Adapters judged by Pawl. The alias `champion` is the one released."
    )
    # Two writers may both find it absent; the second one finds that it exists.
    ignore_if_exists(lambda: store.client.create_registered_model(model, description=description))


def ignore_if_exists(call: Callable[[], Any]) -> None:
    """Call; do nothing where MLflow raises that what it creates exists already."""
    from mlflow.exceptions import MlflowException

    try:
        call()
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
