"""The space that a run's files take, and freeing it."""

from __future__ import annotations

from typing import Any

from pawl.store.client import Store, none_if_absent, store_errors


def size_of_files(store: Store, run_id: str, folder: str) -> int | None:
    """Bytes that a folder of a run takes, None where the run has no such folder.

    Raises:
        RegistryError: the store cannot be reached.
    """
    with store_errors(store.uri):
        there = none_if_absent(lambda: store.client.list_artifacts(run_id, folder))
    return sum(file.file_size or 0 for file in there) if there else None


def delete_files(store: Store, run_id: str, folder: str) -> None:
    """Delete a folder of a run and keep the run.

    Raises:
        RegistryError: the store cannot be reached, or does not let files be deleted.
    """
    # The client cannot delete a run's files; what it is made of can.
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    with store_errors(store.uri):
        where = str(store.client.get_run(run_id).info.artifact_uri)
        files: Any = get_artifact_repository(where, tracking_uri=store.uri)
        files.delete_artifacts(folder)
