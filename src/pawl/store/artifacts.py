"""Rows that are too long for a ledger entry: JSON lines on an MLflow run, named by digest.

The runs are in the ledger's own experiment, not among those of cycles.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pawl.core.files import digest_file, read_lines, write_lines
from pawl.core.records import ArtifactRef
from pawl.errors import RESTORE, RESTORE_FILES, RegistryError
from pawl.store.client import Store, store_errors
from pawl.store.runs import copy_files, list_files, open_run


def store_rows(
    store: Store, experiment: str, rows: Sequence[dict[str, Any]], *, name: str
) -> ArtifactRef:
    """Store `rows` as the file `name` of a run of their own and return the reference to it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write_lines(path, rows)
        digest = digest_file(path)
        run = open_run(store, experiment, op_id=f"{name}:{digest}", name=name, tags={})
        with store_errors(store.uri):
            store.client.log_artifact(run, str(path))
            store.client.set_terminated(run, "FINISHED")
    return ArtifactRef(run=run, name=name, digest=digest, rows=len(rows))


def fetch_rows(store: Store, details: dict[str, Any], key: str) -> list[Any]:
    """The stored rows that an entry's `details` refer to under `key`; empty where to none.

    Raises:
        RegistryError: they are gone or were altered, or the entry is not as Pawl writes it.
    """
    if key not in details:
        return []
    try:
        ref = TypeAdapter(ArtifactRef).validate_python(details[key])
    except ValidationError as error:
        raise RegistryError(
            f"a ledger entry's `{key}` is no reference to rows: {details[key]!r}",
            rule="the ledger is written by Pawl alone and never edited",
            remedy=RESTORE,
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        path = download(store, ref.run, ref.name, Path(folder))
        digest = None if path is None else digest_file(path)
        if path is None or digest != ref.digest:
            raise RegistryError(
                f"{ref.name} of run {ref.run} "
                + ("is gone" if digest is None else f"has digest {digest[:12]}"),
                rule=f"the ledger names it by its digest, {ref.digest[:12]}",
                remedy=RESTORE_FILES if path is None else f"delete that file, then {RESTORE_FILES}",
            )
        return list(read_lines(path))


def download(store: Store, run: str, name: str, folder: Path) -> Path | None:
    """Download the file `name` of a run into `folder`; its path, None where the run has none."""
    with store_errors(store.uri):
        return copy_files(store, run, name, folder) if name in list_files(store, run) else None
