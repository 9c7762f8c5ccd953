"""The pages of a registered model and its versions: the alias, runs, verdicts and marks on them."""

from __future__ import annotations

from pawl.core.records import Champion
from pawl.errors import RegistryError
from pawl.store.client import Store, none_if_absent, store_errors
from pawl.store.pages import ModelPage, VersionPage
from pawl.store.registry import ALIAS

EVIDENCE_TAG, SIGNATURE_TAG = "pawl.evidence", "pawl.judged"


def read_model(store: Store, task: str) -> tuple[int | None, dict[str, str]]:
    """The version that the alias `champion` points at and the registered model's tags.

    No version and no tags where the model does not exist yet.
    """
    name = store.named(task)
    with store_errors(store.uri):
        if store.reader is not None:
            model = store.reader.model(name)
        else:
            found = none_if_absent(lambda: store.client.get_registered_model(name))
            model = ModelPage.of(found) if found else None
    return (model.aliases.get(ALIAS), model.tags) if model else (None, {})


def tag_model(store: Store, task: str, *, key: str, value: str) -> None:
    """Put a tag on the task's registered model."""
    with store_errors(store.uri):
        store.client.set_registered_model_tag(store.named(task), key, value)


def listed_version(store: Store, task: str, champion: Champion) -> VersionPage | None:
    """The page of a version, None where its number is gone from MLflow or is another adapter's."""
    page = _page(store, task, champion.version)
    return page if page and page.tags.get("pawl.digest") == champion.digest else None


def mark_version(store: Store, task: str, version: int, *, key: str, value: str) -> None:
    """Put a tag on a version's page; does nothing where the version was deleted in MLflow."""
    name = store.named(task)
    with store_errors(store.uri):
        none_if_absent(lambda: store.client.set_model_version_tag(name, str(version), key, value))


def version_page(store: Store, task: str, version: int | None) -> VersionPage:
    """The page of a version that must be listed.

    Raises:
        RegistryError: the registered model lacks it.
    """
    page = _page(store, task, version)
    if page is None:
        raise RegistryError(
            f"version {version} of '{task}' was deleted in MLflow",
            rule="a released version stays listed: the alias can point at no other",
            remedy="restore the tracking store from its backup, or release another version",
        )
    return page


def _page(store: Store, task: str, version: int | None) -> VersionPage | None:
    if version is None:
        return None
    name = store.named(task)
    with store_errors(store.uri):
        if store.reader is not None:
            return store.reader.version(name, version)
        page = none_if_absent(lambda: store.client.get_model_version(name, str(version)))
    return VersionPage.of(page) if page else None
