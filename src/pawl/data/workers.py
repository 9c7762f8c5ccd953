"""Processes that help with a check, and end with it however it ends."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any


def workers(
    count: int, begin: Callable[..., None] | None = None, *given: Any
) -> ProcessPoolExecutor:
    """A pool of processes, each of which calls `begin(*given)` first.

    A worker of a pool waits for work that a killed parent will never send; these look after it.
    """
    return ProcessPoolExecutor(count, initializer=_begin, initargs=(os.getpid(), begin, given))


def _begin(parent: int, begin: Callable[..., None] | None, given: tuple[Any, ...]) -> None:
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if begin is not None:
        begin(*given)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
