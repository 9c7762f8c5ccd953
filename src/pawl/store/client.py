"""MLflow behind a small interface: SQLite files and tracking servers alike.

Only this file and `runs.py` speak to MLflow, and only through `MlflowClient`'s public methods.
Importing mlflow takes two seconds, so it happens when a store is opened.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pawl.errors import RegistryError
from pawl.workspace.environment import quiet_environment
from pawl.workspace.paths import Workspace

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

ADDRESS, RETRIES = "MLFLOW_TRACKING_URI", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
ALIAS = "champion"
PAGE = 500
# SQLite lets one writer in at a time, and MLflow gives a version number up after three collisions.
ATTEMPTS = 8
# SQLite takes any length; a database that keeps to its columns refuses what is longer.
DESCRIPTION = 5000
CUT = "\n\n… cut here, for MLflow keeps 5,000 characters"
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Store:
    """An open tracking store; `artifacts` is where experiments keep files, None: the server's.

    `seen` are the ledgers' entries that were read so far, by model: they are never edited.
    """

    client: MlflowClient
    uri: str
    artifacts: str | None
    seen: dict[str, tuple[Any, ...]] = field(default_factory=dict, compare=False, repr=False)


def open_store(workspace: Workspace) -> Store:
    """Open the workspace's tracking store, making the SQLite file and its folders if absent.

    Raises:
        RegistryError: the store cannot be reached or was written by a newer MLflow.
    """
    # mlflow reads its settings when it is imported; telemetry and chatter must be off by then. The
    # address is handed over instead: left in the environment, it would be every workspace's.
    settings = quiet_environment(workspace).items()
    os.environ.update({k: v for k, v in settings if k.startswith("MLFLOW_") and k != ADDRESS})
    from mlflow import MlflowClient

    uri = workspace.tracking_uri
    local = uri.startswith("sqlite:")
    if local:
        Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    with store_errors(uri):
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    return Store(client, uri, str(workspace.home / "artifacts") if local else None)


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Turn what MLflow and its transport raise into a `RegistryError` that says what to do."""
    import requests
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, requests.RequestException, SQLAlchemyError, OSError) as error:
        said = " ".join(str(error).split())[:300]
        raise RegistryError(
            f"the tracking store {uri} said: {said}",
            rule="cycles and releases are recorded in MLflow, or they do not happen",
            remedy="see that the server runs, its disk has space and MLFLOW_TRACKING_URI is right; "
            "a SQLite store written by a newer MLflow needs `mlflow db upgrade`",
        ) from error


@contextmanager
def sent_once() -> Iterator[None]:
    """Send no request twice: MLflow's transport repeats what got no reply, but a lost reply does
    not say that nothing was done."""
    before = os.environ.get(RETRIES)
    os.environ[RETRIES] = "0"
    try:
        yield
    finally:
        del os.environ[RETRIES]
        if before is not None:
            os.environ[RETRIES] = before


def none_if_absent(call: Callable[[], Answer]) -> Answer | None:
    """The call's answer, or None where MLflow says that there is no such thing."""
    from mlflow.exceptions import MlflowException

    try:
        return call()
    except MlflowException as error:
        # MLflow 3 answers INVALID_PARAMETER_VALUE where a model exists but lacks the alias.
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
) -> ModelVersion:
    """Add a version with its tags in one transaction; the caller saw none with this `op_id`.

    Numbers are given by the store, one writer at a time. A busy store is asked again: first
    whether the last attempt got through after all, then to add the version.

    Raises:
        RegistryError: the store cannot be reached, or stayed busy for some seconds.
    """
    with store_errors(store.uri):
        if not store.seen.get(model):
            _ensure_model(store, model)
        for attempt in range(ATTEMPTS):
            if attempt and (through := _by_op_id(store, model, op_id)) is not None:
                return through
            added = _try_to_add(
                lambda: store.client.create_model_version(
                    model,
                    source,
                    run_id,
                    tags={**tags, "pawl.op_id": op_id},
                    description=_fitting(description),
                    await_creation_for=0,
                ),
                last=attempt == ATTEMPTS - 1,
            )
            if added is not None:
                return added
            time.sleep(0.05 * 2**attempt)
    raise AssertionError("the last attempt returns or raises")


def all_versions(store: Store, model: str, *, since: int = 1) -> list[ModelVersion]:
    """A registered model's versions from the number `since` on, oldest first; maybe none."""
    found: list[ModelVersion] = []
    token: str | None = None
    with store_errors(store.uri):
        while True:
            page = store.client.search_model_versions(
                f"name = '{model}'" + (f" AND version_number >= {since}" if since > 1 else ""),
                max_results=PAGE,
                order_by=["version_number ASC"],
                page_token=token,
            )
            found += page
            token = page.token
            if not token:
                return sorted(found, key=lambda version: int(version.version))


def get_alias(store: Store, task: str) -> int | None:
    """The version that the alias `champion` points at, None where it points at none."""
    with store_errors(store.uri):
        version = none_if_absent(lambda: store.client.get_model_version_by_alias(task, ALIAS))
    return None if version is None else int(version.version)


def set_alias(store: Store, task: str, version: int | None) -> None:
    """Point the alias `champion` at a version, or remove it. It projects the ledger, no more."""
    with store_errors(store.uri):
        if version is not None:
            store.client.set_registered_model_alias(task, ALIAS, str(version))
        elif get_alias(store, task) is not None:
            store.client.delete_registered_model_alias(task, ALIAS)


def _fitting(description: str) -> str:
    if len(description) <= DESCRIPTION:
        return description
    return description[: DESCRIPTION - len(CUT)] + CUT


def _by_op_id(store: Store, model: str, op_id: str) -> ModelVersion | None:
    # The attempt that may have got through was made seconds ago: it is among the newest.
    newest = store.client.search_model_versions(
        f"name = '{model}'", max_results=PAGE, order_by=["version_number DESC"]
    )
    found = [v for v in newest if v.tags.get("pawl.op_id") == op_id]
    return found[-1] if found else None


def _ensure_model(store: Store, model: str) -> None:
    if none_if_absent(lambda: store.client.get_registered_model(model)) is not None:
        return
    says = (
        "The record of releases and looks, append-only; written by Pawl."
        if model.endswith(".ledger")
        else "Adapters judged by Pawl. The alias `champion` is the one released."
    )
    # Two writers may both find it absent; the one who comes second sees it made.
    unless_made(lambda: store.client.create_registered_model(model, description=says))


def unless_made(call: Callable[[], Any]) -> None:
    from mlflow.exceptions import MlflowException

    try:
        call()
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _try_to_add(call: Callable[[], Answer], *, last: bool) -> Answer | None:
    """The call's answer, or None where the store was busy and another attempt is left."""
    from mlflow.exceptions import MlflowException

    try:
        with sent_once():
            return call()
    except MlflowException as error:
        busy = error.error_code in ("TEMPORARILY_UNAVAILABLE", "BAD_REQUEST", "INTERNAL_ERROR")
        if last or not (busy or "Giving up after" in str(error)):
            raise
        return None
