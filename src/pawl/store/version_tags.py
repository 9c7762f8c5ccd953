"""What the pages of single versions hold: run and verdict behind them, marks that a person sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pawl.core.records import Champion
from pawl.errors import RegistryError
from pawl.store.client import Store, none_if_absent, store_errors

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

EVIDENCE = "pawl.evidence"


def run_of(store: Store, task: str, version: int) -> str:
    """The id of the run that carries a version's adapter.

    Raises:
        RegistryError: the registered model lacks that version, or the store cannot be reached.
    """
    return str(_page(store, task, version).run_id or "")


def verdict_of(store: Store, task: str, version: int) -> str | None:
    """The sha256 of the verdict file that a version was registered with, None if it says none.

    Raises:
        RegistryError: the registered model lacks that version, or the store cannot be reached.
    """
    said = _page(store, task, version).tags.get(EVIDENCE)
    return None if said is None else str(said)


def listed(store: Store, task: str, champion: Champion) -> ModelVersion | None:
    """The page of a version, None where its number is gone from MLflow or is another adapter's.

    Raises:
        RegistryError: the store cannot be reached.
    """
    with store_errors(store.uri):
        page = none_if_absent(lambda: store.client.get_model_version(task, str(champion.version)))
    return page if page and page.tags.get("pawl.digest") == champion.digest else None


def mark_version(store: Store, task: str, version: int, *, key: str, value: str) -> None:
    """Put a tag on a version's page; a version that was deleted in MLflow has none."""
    with store_errors(store.uri):
        none_if_absent(lambda: store.client.set_model_version_tag(task, str(version), key, value))


def _page(store: Store, task: str, version: int) -> ModelVersion:
    with store_errors(store.uri):
        found = none_if_absent(lambda: store.client.get_model_version(task, str(version)))
    if found is None:
        raise RegistryError(
            f"version {version} of '{task}' was deleted in MLflow",
            rule="a released version stays listed: the alias can point at no other",
            remedy="restore the tracking store from its backup, or release another version",
        )
    return found
