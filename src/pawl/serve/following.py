"""Follows the ledger: a promotion or a rollback is served some seconds later, without a restart."""

from __future__ import annotations

import logging
import threading

from pawl.serve.versions import Versions

LOG = logging.getLogger(__name__)


class Follower:
    """Looks after each task's champion every `every` seconds, in a thread of its own."""

    def __init__(self, versions: Versions, *, every: float) -> None:
        self._versions, self._every = versions, every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pawl-follower", daemon=True)
        self.swaps: dict[str, int] = dict.fromkeys(versions.tasks, 0)

    def start(self) -> None:
        """Look once, so that what can be served is, then again and again."""
        self.look()
        self._thread.start()

    def stop(self) -> None:
        """End; what is being loaded is loaded first."""
        self._stop.set()
        self._thread.join()

    def look(self) -> None:
        """Look after each task once."""
        for task, served in self._versions.tasks.items():
            try:
                self.swaps[task] += self._versions.follow(task)
            except Exception as error:  # a full disk, a broken engine: told, and tried again
                if not self._stop.is_set():
                    LOG.exception("following %s failed", task)
                served.problem = f"{type(error).__name__}: {error}"

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            self.look()
