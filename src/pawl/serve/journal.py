"""The log of requests, if it is asked for: who answered what kind of request, and no word of it.

No text of a prompt or an answer is in it, no token and no address: a line names the request, so
that what a caller says of it later can be told apart.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

LOG = logging.getLogger(__name__)


@dataclass
class Line:
    """One request: `request` is its id, `version` what answered, `ended` how its answers ended."""

    request: str
    route: str
    task: str = ""
    version: str = ""
    status: int = 0
    prompts: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    stream: bool = False
    ended: str = ""
    seconds: float = 0.0


class Journal:
    """A file that lines are added to; None: there is no log."""

    def __init__(self, file: Path | None) -> None:
        self._lock = threading.Lock()
        self._handle, self._told = None, False
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            self._handle = os.open(file, flags, 0o600)

    def write(self, line: Line) -> None:
        """Add a line; one write, so that lines of several servers do not mix."""
        if self._handle is None:
            return
        when = datetime.now(UTC).isoformat(timespec="milliseconds")
        text = json.dumps({"when": when, **asdict(line)}, sort_keys=True) + "\n"
        with self._lock:
            try:
                os.write(self._handle, text.encode())
                self._told = False
            except OSError as error:
                # Whoever was answered was answered, whatever becomes of the log.
                if not self._told:
                    LOG.warning("the log of requests cannot be written: %s", error)
                self._told = True
