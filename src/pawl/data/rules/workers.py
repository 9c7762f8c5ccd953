"""Processes that help with a check, and end with it however it ends."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

# New objects after which a worker looks for cycles of garbage; the default is 700.
COLLECTED = 100_000


def workers(
    count: int, begin: Callable[..., None] | None = None, *given: Any
) -> ProcessPoolExecutor:
    """A pool of processes, each of which calls `begin(*given)` first.

    A worker of a pool waits for work that a killed parent will never send; these look after it.
    """
    return ProcessPoolExecutor(count, initializer=_begin, initargs=(os.getpid(), begin, given))


@contextmanager
def uncollected() -> Iterator[None]:
    """Within this, Python looks for no cycles of garbage: rows by the hundred thousand make none.

    It would walk over all that is kept of them again and again, which takes a third of the time.
    """
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


@contextmanager
def beside(work: Callable[[], None]) -> Iterator[None]:
    """Within this, a thread does the work; at the end it is done, or raises what went wrong."""
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(work)
        yield
        done.result()


def _begin(parent: int, begin: Callable[..., None] | None, given: tuple[Any, ...]) -> None:
    gc.freeze()
    gc.set_threshold(COLLECTED)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if begin is not None:
        begin(*given)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
