"""Rows measured in their order, many of them shared out to a process a core."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice

from pawl.core.records import Example
from pawl.data.rules.measure import Measured, Ruler
from pawl.data.rules.workers import beside, workers

# Rows that one worker is handed at a time, and below how many no worker is started.
CHUNK, FEW = 2000, 10_000


def measured(
    rows: Iterable[Example], ruler: Ruler, *, meanwhile: Callable[[], None]
) -> Iterator[tuple[Example, Measured]]:
    """Each row with its measures, in order; many rows are shared out to a process a core.

    `meanwhile` is then done beside that by a thread of this process, which mostly waits for the
    others; few rows leave no time for it.
    """
    row_by_row = iter(rows)
    chunks = iter(lambda: list(islice(row_by_row, CHUNK)), [])
    first: list[list[Example]] = []
    while sum(map(len, first)) < FEW:
        if (chunk := next(chunks, None)) is None:
            for chunk in first:
                yield from zip(chunk, ruler.measured(chunk), strict=True)
            return
        first.append(chunk)
    yield from _shared_out(first, chunks, ruler, meanwhile)


def with_ruler(count: int, ruler: Ruler) -> ProcessPoolExecutor:
    """Processes that have the ruler at hand, for `tokens_of`."""
    return workers(count, _begin, ruler)


def tokens_of(rows: Sequence[Example]) -> list[int]:
    """The tokens that each row takes in training; called in a process of `with_ruler`."""
    return list(map(_ruler.tokens, rows))


def _shared_out(
    first: Sequence[list[Example]],
    chunks: Iterator[list[Example]],
    ruler: Ruler,
    meanwhile: Callable[[], None],
) -> Iterator[tuple[Example, Measured]]:
    count = os.cpu_count() or 1
    with with_ruler(count, ruler) as pool:
        waiting = deque((chunk, pool.submit(_measure, chunk)) for chunk in first)
        try:
            # The processes are there by now: a fork beside a thread may hang.
            with beside(meanwhile):
                for chunk in chunks:
                    waiting.append((chunk, pool.submit(_measure, chunk)))
                    # No more than each worker can do next: memory stays flat.
                    if len(waiting) > 2 * count:
                        yield from _next(waiting)
                while waiting:
                    yield from _next(waiting)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _next(
    waiting: deque[tuple[list[Example], Future[list[Measured]]]],
) -> Iterator[tuple[Example, Measured]]:
    chunk, future = waiting.popleft()
    yield from zip(chunk, future.result(), strict=True)


_ruler: Ruler


def _begin(ruler: Ruler) -> None:
    global _ruler
    _ruler = ruler


def _measure(chunk: Sequence[Example]) -> list[Measured]:
    return _ruler.measured(chunk)
