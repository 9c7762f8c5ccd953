"""What the ledger says may be served: each task's champion, and what was released and not retired.

Reading is cheap where nothing has changed: of a SQLite store the files' times are asked first.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pawl.core.records import AdapterManifest, Champion
from pawl.ledger.entries import State
from pawl.ledger.keys import TRUSTED
from pawl.ledger.state import undoubted_ledger
from pawl.model.adapter import read_adapter
from pawl.release.local_copies import local_copy
from pawl.release.signing import check_release
from pawl.store.addresses import sqlite_file
from pawl.store.client import Store
from pawl.workspace.paths import Workspace

# Seconds after which a ledger is read again though no file seems to have changed.
AT_LEAST_EVERY = 60.0


@dataclass(frozen=True)
class Verified:
    """A released version whose bytes and signature were just checked, in a folder of our own."""

    folder: Path
    manifest: AdapterManifest


class Releases:
    """The ledgers of some tasks of one workspace."""

    def __init__(self, workspace: Workspace, store: Store) -> None:
        self._workspace, self._store = workspace, store
        # One reader at a time: an open store caches what it has read.
        self._reading = threading.Lock()
        self._states: dict[str, tuple[object, float, State]] = {}

    def read(self, task: str) -> State:
        """The state of a task's ledger, read anew if it may have changed.

        Raises:
            RegistryError: the store cannot be read, or the ledger was altered.
        """
        with self._reading:
            mark, now = self._mark(), time.monotonic()
            before = self._states.get(task)
            if before and mark and before[0] == mark and now - before[1] < AT_LEAST_EVERY:
                return before[2]
            ledger = undoubted_ledger(self._store, task, whole=before is None)
            if before and ledger.state.champion != before[2].champion:
                # Before anything follows from it: was an earlier entry altered?
                ledger = undoubted_ledger(self._store, task)
            self._states[task] = (mark, now, ledger.state)
            return ledger.state

    @contextmanager
    def verified(self, task: str, champion: Champion, state: State) -> Iterator[Verified]:
        """A released version's files, verified, where nobody else writes; gone with the block.

        Raises:
            AdapterError: its bytes are not those that were judged, or its signature is invalid.
            RegistryError: its files cannot be fetched.
        """
        with tempfile.TemporaryDirectory(prefix="pawl-serve-") as scratch:
            folder = Path(scratch) / "adapter"
            with self._reading:
                copy = local_copy(self._workspace, self._store, champion, task=task)
                shutil.copytree(copy, folder)
                # What is loaded is what was checked, whatever becomes of the copy meanwhile.
                check_release(
                    self._workspace, self._store, task, champion, adapter=folder, state=state
                )
            yield Verified(folder, read_adapter(folder))

    def _mark(self) -> object:
        """Something that changes whenever the record may have; None where that cannot be told."""
        file = sqlite_file(self._store.uri)
        if file is None:
            return None
        names = (file, Path(f"{file}-wal"), Path(f"{file}-journal"), self._workspace.root / TRUSTED)
        return tuple(_times(path) for path in names)


def released(state: State) -> dict[int, Champion]:
    """The versions that may be served, by number: released at some time, and not retired."""
    found = {}
    for entry in state.releases:
        new = entry.new
        if new is not None and new.version is not None and state.retirement(new) is None:
            found[new.version] = new
    return found


def version_name(task: str, champion: Champion) -> str:
    """The name of a version, as callers see it."""
    return f"{task}-v{champion.version}"


def _times(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
