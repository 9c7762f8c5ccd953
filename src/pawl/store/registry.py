"""Registered models of MLflow, their versions and the alias of the champion."""

from __future__ import annotations

import time

from pawl.store.client import Store, ignore_if_exists, no_retries, none_if_absent, store_errors
from pawl.store.pages import VersionPage

ALIAS = "champion"
# How the name of a task's ledger ends; no task's name has a dot.
LEDGER = ".ledger"
PAGE = 500
# SQLite allows one writer at a time; MLflow gives up on a version number after three collisions.
ATTEMPTS = 8
BUSY = ("TEMPORARILY_UNAVAILABLE", "BAD_REQUEST", "INTERNAL_ERROR")
# SQLite accepts any length; a database that enforces its columns refuses longer texts.
DESCRIPTION = 5000
CUT = "\n\n… cut here, for MLflow keeps 5,000 characters"


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
        name = store.named(model)
        for attempt in range(ATTEMPTS):
            if attempt and (earlier := _of_attempt(store, model, tags)) is not None:
                return earlier
            try:
                with no_retries():
                    added = store.client.create_model_version(
                        name, source, run_id, tags, description=description, await_creation_for=0
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
    model = store.named(model)
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


def model_names(store: Store) -> list[str]:
    """The names of the workspace's registered models, sorted, without its own."""
    names: list[str] = []
    token = None
    with store_errors(store.uri):
        if store.reader is not None:
            return _own(store, store.reader.model_names())
        while True:
            page = store.client.search_registered_models(max_results=PAGE, page_token=token)
            names += [found.name for found in page]
            if not (token := page.token):
                return _own(store, names)


def get_alias(store: Store, task: str) -> int | None:
    """The version that the alias `champion` points at, None where it points at none."""
    name = store.named(task)
    with store_errors(store.uri):
        version = none_if_absent(lambda: store.client.get_model_version_by_alias(name, ALIAS))
    return None if version is None else int(version.version)


def set_alias(store: Store, task: str, version: int | None) -> None:
    """Point the alias `champion` at a version, or remove it (None). The ledger decides, not it."""
    with store_errors(store.uri):
        if version is not None:
            store.client.set_registered_model_alias(store.named(task), ALIAS, str(version))
        elif get_alias(store, task) is not None:
            store.client.delete_registered_model_alias(store.named(task), ALIAS)


def _own(store: Store, names: list[str]) -> list[str]:
    """The tasks, and the models of their ledgers, among the names of registered models."""
    prefix = store.named("")
    # A ledger's name ends with one dot and a word; a workspace's is parted from the task by one.
    own = (name.removeprefix(prefix) for name in names if name.startswith(prefix))
    return sorted(name for name in own if "." not in name.removesuffix(LEDGER))


def _of_attempt(store: Store, model: str, tags: dict[str, str]) -> VersionPage | None:
    """The version that an attempt to add one with these tags has made, None if it made none."""
    # The attempt that may have got through was made seconds ago: it is among the newest.
    newest = store.client.search_model_versions(
        f"name = '{store.named(model)}'", max_results=PAGE, order_by=["version_number DESC"]
    )
    # All tags, for anybody may add a version with another one's `op_id`.
    same = [page for page in map(VersionPage.of, newest) if tags.items() <= page.tags.items()]
    return same[-1] if same else None


def _ensure_model(store: Store, model: str) -> None:
    name = store.named(model)
    if none_if_absent(lambda: store.client.get_registered_model(name)) is not None:
        return
    description = (
        "The record of releases and looks, append-only; written by Pawl."
        if model.endswith(LEDGER)
        else "Adapters judged by Pawl. The alias `champion` is the one released."
    )
    # Two writers may both find it absent; the second one finds that it exists.
    ignore_if_exists(lambda: store.client.create_registered_model(name, description=description))
