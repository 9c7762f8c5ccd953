"""The engine: one thread that decodes what waits, in batches that rows join and leave at any step.

What goes wrong with one row ends that row alone. A batch whose step fails is taken apart: each of
its rows begins again by itself, with what it was answered so far. Only where the model no longer
answers a prompt that it did answer at the start is the engine broken: everybody is told, `broken`
says why, and nothing is taken any more.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from pawl.serve.adapters import Adapters
from pawl.serve.batch import Batch
from pawl.serve.choosing import choose
from pawl.serve.rows import BrokenError, Ending, FullError, News, Row
from pawl.serve.turn import out_of_memory, take_turn

if TYPE_CHECKING:
    from pawl.serve.joining import Base

LOG = logging.getLogger(__name__)
Result = TypeVar("Result")
# How often a row begins again, because its batch failed, before it is failed itself.
TRIES = 3


class Engine:
    """Decodes rows on one base; `most` at once, and as many as `queue` wait.

    All methods may be called from any thread.
    """

    def __init__(self, base: Base, *, most: int, queue: int) -> None:
        self.broken: str | None = None
        self.adapters = Adapters(base.model)
        self._base, self._most, self._queue = base, most, queue
        self._changed = threading.Condition()
        self._waiting: deque[Row] = deque()
        self._jobs: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._batches: dict[Any, Batch] = {}
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="pawl-engine", daemon=True)

    def start(self) -> None:
        """Begin; once."""
        self._thread.start()

    def stop(self) -> None:
        """End: who still waits is told so. Returns when the thread has ended."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    @property
    def waiting(self) -> int:
        """How many rows wait."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """How many rows are being answered."""
        return sum(len(batch.rows) for batch in list(self._batches.values()))

    def submit(self, rows: Sequence[Row]) -> None:
        """Let rows wait for their turn; all of them or none.

        Raises:
            FullError: too many wait already.
            BrokenError: nothing is taken any more.
        """
        with self._changed:
            if self.broken or self._stopping:
                raise BrokenError(self.broken or "the server is stopping")
            if len(self._waiting) + len(rows) > self._queue:
                raise FullError
            self._waiting.extend(rows)
            self._changed.notify()

    def cancel(self, row: Row) -> None:
        """Nobody waits for this row any more: its place is free from the next step on."""
        with self._changed:
            row.gone = True
            self._changed.notify()

    def call(self, job: Callable[[], Result]) -> Future[Result]:
        """Have something done between two steps, by the thread that the model belongs to."""
        future: Future[Result] = Future()
        with self._changed:
            if self.broken or self._stopping:
                future.set_exception(BrokenError(self.broken or "the server is stopping"))
                return future
            self._jobs.append((job, future))
            self._changed.notify()
        return future

    def uses(self, adapter: str) -> bool:
        """Whether a row that waits or runs needs an adapter; for jobs, which see no change."""
        running = [row for batch in self._batches.values() for row in batch.rows]
        return any(row.adapter == adapter for row in (*running, *self._waiting))

    def _run(self) -> None:
        import torch

        try:
            with torch.inference_mode():
                while self._take_turn():
                    pass
            self._give_up("the server is stopping")
        except BaseException as error:  # a thread that dies in silence hangs everybody
            LOG.exception("the engine is broken")
            self._give_up(f"{type(error).__name__}: {error}")

    def _take_turn(self) -> bool:
        """Do the jobs that wait, let rows in, and take one step; False when it is time to stop."""
        with self._changed:
            while not (self._stopping or self._jobs or self._waiting or self._batches):
                self._changed.wait()
            if self._stopping:
                return False
            jobs, self._jobs = self._jobs, deque()
            self._waiting = deque(row for row in self._waiting if not row.gone)
        for job, future in jobs:
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(job())
            except Exception as error:  # noqa: BLE001  # whoever asked for it is told
                future.set_exception(error)
        self._let_in()
        for key in list(self._batches):
            self._step(key)
        return True

    def _let_in(self) -> None:
        """Compute the prompts of rows that wait, as far as there is room, and let them join."""
        with self._changed:
            rows = take_turn(self._waiting, self._most - self.running, self._key)
        if not rows:
            return
        try:
            new = Batch(self.adapters, rows, pad=self._base.pad)
        except Exception as error:  # noqa: BLE001  # one of them is at fault
            self._take_apart(rows, error)
        else:
            self._join(new)

    def _key(self, row: Row) -> Any:
        """Rows with the same key share a batch."""
        if row.alone or not self._base.joins:
            return row
        return "" if self.adapters.mixes(row.adapter) else row.adapter

    def _join(self, new: Batch) -> None:
        key = self._key(new.rows[0])
        running = self._batches.get(key)
        if running is None:
            self._batches[key] = new
            return
        before = list(running.rows)
        try:
            running.join(new)
        except Exception as error:  # noqa: BLE001  # what is half joined is nobody's
            del self._batches[key]
            self._take_apart([*before, *new.rows], error)

    def _step(self, key: Any) -> None:
        """Tell each row of a batch its next token, and compute one more for those that go on."""
        batch = self._batches[key]
        rows = list(batch.rows)
        try:
            chosen = choose(batch.logits, rows)
            on: list[tuple[int, int]] = []
            for place, (row, token) in enumerate(zip(rows, chosen, strict=True)):
                if row.gone:
                    continue
                if token is None:
                    self._end(row, "failed", "the model's numbers for this prompt are not finite")
                elif self._goes_on(row, token):
                    on.append((place, token))
            if not on:
                del self._batches[key]
                return
            batch.keep([place for place, _ in on])
            batch.step([token for _, token in on])
        except Exception as error:  # noqa: BLE001  # taken apart, to see whose fault it is
            self._batches.pop(key, None)
            self._take_apart(rows, error)

    def _goes_on(self, row: Row, token: int) -> bool:
        """Add a token to a row's answer; whether more are to come."""
        row.tokens.append(token)
        if token in self._base.ends:
            return self._end(row, "stop")
        if len(row.tokens) >= row.limit:
            return self._end(row, "length")
        if row.watched:
            self._tell(row, News(tuple(row.tokens)))
        return True

    def _end(self, row: Row, ended: Ending, why: str = "") -> bool:
        row.gone = True
        self._tell(row, News(tuple(row.tokens), ended, why))
        return False

    def _tell(self, row: Row, news: News) -> None:
        # Who listens may have gone, with the loop that it ran on.
        with suppress(Exception):
            row.tell(news)

    def _take_apart(self, failed: Sequence[Row], error: Exception) -> None:
        """Let each row of a batch that failed begin again by itself: the one at fault ends then.

        Raises `error` where the model answers nothing any more.
        """
        rows = [row for row in failed if not row.gone]
        memory = out_of_memory(error)
        LOG.warning("a batch of %d failed: %s: %s", len(rows), type(error).__name__, error)
        for row in reversed(rows):
            row.tries += 1
            if row.alone or row.tries > TRIES:
                self._end(row, "failed", f"{type(error).__name__}: {error}"[:300])
                continue
            row.alone = not memory
            with self._changed:
                self._waiting.appendleft(row)
        if not self._base.answers(self.adapters):
            raise error
        if memory:
            self._most = max(1, self._most // 2)
            LOG.warning("at most %d rows share a batch from now on", self._most)

    def _give_up(self, why: str) -> None:
        """Tell everybody that waits, and take nothing any more."""
        with self._changed:
            self.broken = self.broken or why
            jobs, self._jobs = self._jobs, deque()
            waiting, self._waiting = self._waiting, deque()
        batches, self._batches = self._batches, {}
        for _, future in jobs:
            future.set_exception(BrokenError(why))
        for row in (*waiting, *(row for batch in batches.values() for row in batch.rows)):
            if not row.gone:
                self._end(row, "broken", why)
