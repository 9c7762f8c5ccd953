"""Worker processes that measure rows in parallel, in row order, and never outlive the check."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice

from pawl.core.records import Example
from pawl.data.rules.measure import RowMeasurer, RowMeasures

# Rows per task of a worker, and the number of rows below which no worker is started.
CHUNK, MIN_PARALLEL = 2000, 10_000
# New objects after which a worker's garbage collector runs; the default is 700.
GC_THRESHOLD = 100_000

Measured = tuple[Example, RowMeasures]


def measure_rows(
    rows: Iterable[Example], measurer: RowMeasurer, *, meanwhile: Callable[[], None]
) -> Iterator[Measured]:
    """Yield each row with its measures, in order; from MIN_PARALLEL rows on, a worker per core.

    With workers, `meanwhile` runs in a thread of this process, which mostly waits for them.
    """
    row_by_row = iter(rows)
    chunks = iter(lambda: list(islice(row_by_row, CHUNK)), [])
    first: list[list[Example]] = []
    while sum(map(len, first)) < MIN_PARALLEL:
        if (chunk := next(chunks, None)) is None:
            for chunk in first:
                yield from zip(chunk, measurer.measure(chunk), strict=True)
            return
        first.append(chunk)
    yield from _measure_in_workers(first, chunks, measurer, meanwhile)


def token_counts(rows: Sequence[Example]) -> list[int]:
    """The tokens of each row in training; runs in a worker that holds a measurer."""
    return list(map(_measurer.tokens, rows))


def worker_pool(count: int, measurer: RowMeasurer | None = None) -> ProcessPoolExecutor:
    """A pool of worker processes that hold the measurer.

    A pool's worker would wait forever for tasks of a killed parent; these exit with it.
    """
    return ProcessPoolExecutor(count, initializer=_init_worker, initargs=(os.getpid(), measurer))


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause garbage collection, a third of the time with so many rows, which make no cycles."""
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def _measure_in_workers(
    first: Sequence[list[Example]],
    chunks: Iterator[list[Example]],
    measurer: RowMeasurer,
    meanwhile: Callable[[], None],
) -> Iterator[Measured]:
    count = os.cpu_count() or 1
    with worker_pool(count, measurer) as pool:
        pending = deque((chunk, pool.submit(_measure, chunk)) for chunk in first)
        try:
            # The workers exist by now: forking beside a thread may deadlock.
            with ThreadPoolExecutor(1) as thread:
                done = thread.submit(meanwhile)
                for chunk in chunks:
                    pending.append((chunk, pool.submit(_measure, chunk)))
                    # At most two tasks per worker, so that memory stays flat.
                    if len(pending) > 2 * count:
                        yield from _next_result(pending)
                while pending:
                    yield from _next_result(pending)
                done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _next_result(
    pending: deque[tuple[list[Example], Future[list[RowMeasures]]]],
) -> Iterator[Measured]:
    chunk, future = pending.popleft()
    yield from zip(chunk, future.result(), strict=True)


_measurer: RowMeasurer


def _measure(chunk: Sequence[Example]) -> list[RowMeasures]:
    return _measurer.measure(chunk)


def _init_worker(parent: int, measurer: RowMeasurer | None) -> None:
    global _measurer
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    threading.Thread(target=_exit_with_parent, args=(parent,), daemon=True).start()
    if measurer is not None:
        _measurer = measurer


def _exit_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
