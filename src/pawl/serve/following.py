"""Follows the ledger: a promotion or a rollback is served some seconds later, without a restart."""

from __future__ import annotations

import threading

from pawl.serve.versions import Versions


class Follower:
    """Looks after each task's champion every `every` seconds, in a thread of its own."""

    def __init__(self, versions: Versions, *, every: float) -> None:
        self._versions, self._every = versions, every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pawl-follower", daemon=True)

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
        for task in self._versions.tasks:
            self._versions.follow(task)

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            self.look()
