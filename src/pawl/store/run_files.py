"""The size of a run's files, and deleting them."""

from __future__ import annotations

from typing import Any

from pawl.store.client import Store, none_if_absent, store_errors


def size_of_files(store: Store, run_id: str, folder: str) -> int | None:
    """The size of a folder of a run in bytes, None where the run has no such folder.

    Raises:
        RegistryError: the store cannot be reached.
    """
    with store_errors(store.uri):
        files = none_if_absent(lambda: store.client.list_artifacts(run_id, folder))
    return sum(file.file_size or 0 for file in files) if files else None


def delete_files(store: Store, run_id: str, folder: str) -> None:
    """Delete a folder of a run; the run stays.

    Raises:
        RegistryError: the store cannot be reached, or does not allow files to be deleted.
    """
    # The client cannot delete a run's files; the artifact repository that it uses can.
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    with store_errors(store.uri):
        uri = str(store.client.get_run(run_id).info.artifact_uri)
        repository: Any = get_artifact_repository(uri, tracking_uri=store.uri)
        repository.delete_artifacts(folder)
