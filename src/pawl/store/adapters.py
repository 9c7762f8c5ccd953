"""Download the adapter of a registered version, verified against what was judged."""

from __future__ import annotations

from pathlib import Path

from pawl.core.files import whole_folder
from pawl.core.records import AdapterManifest
from pawl.errors import RESTORE_FILES, AdapterError, RegistryError
from pawl.model.adapter import read_adapter, refuse_links
from pawl.store.client import Store, library_errors, store_errors
from pawl.store.runs import copy_files
from pawl.store.versions import ADAPTER, get


def fetch_adapter(store: Store, task: str, version: int, *, into: Path) -> AdapterManifest:
    """Download a version's adapter to the folder `into`, whole and verified, or not at all.

    Raises:
        UsageError: there is no such version.
        AdapterError: its bytes are not those that were judged.
        RegistryError: its files are gone.
    """
    wanted = get(store, task, version)
    refuse_links(into)
    with whole_folder(into) as folder:
        with store_errors(store.uri):
            try:
                downloaded = copy_files(store, wanted.run_id, ADAPTER, folder)
            except library_errors() as error:
                raise RegistryError(
                    f"the adapter of version {version} of '{task}' cannot be read: {error}",
                    rule="the files of a registered version stay as long as it is listed",
                    remedy=f"{RESTORE_FILES}, or roll back to another version",
                ) from None  # as in store_errors
        # Before its files move one level up: none of a verified adapter's has the folder's name.
        manifest = read_adapter(downloaded)
        if manifest.digest != wanted.digest:
            raise AdapterError(
                f"version {version} of '{task}' holds adapter {manifest.digest[:12]}",
                rule=f"it was judged and registered as {wanted.digest[:12]}",
                remedy=f"roll back to another version: `pawl rollback {task} --to N --reason …`",
            )
        for file in downloaded.iterdir():
            file.rename(folder / file.name)
        downloaded.rmdir()
        return manifest
