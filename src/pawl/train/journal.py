"""A training's journal: what its steps came to, and checkpoints to go on from."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from pawl.config.schema import Train, as_json
from pawl.core.files import digest_file, digest_json, remove
from pawl.core.records import BaseInfo
from pawl.errors import TrainError
from pawl.train.checkpoint import last, leave
from pawl.train.choices import Choices
from pawl.train.loop import Loop, Point
from pawl.train.rows import Row

# Seconds between checkpoints; also at most one part in so many of the time goes into them.
EVERY = 20.0
SHARE = 50


@dataclass(frozen=True)
class Kept:
    """Where a training's checkpoints lie, and what names it: `question`."""

    folder: Path
    question: str
    every: float = EVERY

    def drop(self) -> None:
        """Remove them: the training is over."""
        remove(self.folder)


class Journal:
    """`points` of all steps, `seconds` of all runs; takes up what an earlier run has left."""

    def __init__(self, loop: Loop, kept: Kept | None) -> None:
        self.points: list[Point] = []
        self.resumed: tuple[int, ...] = ()
        self._before = 0.0
        self._loop, self._kept = loop, kept
        self._start = self._saved = time.perf_counter()
        self._cost = 0.0
        found = last(kept.folder, question=kept.question) if kept else None
        if found is None and kept and loop.team.leads:
            # Another training's would pass for newer than those to come.
            kept.drop()
        if found is not None:
            checkpoint, state = found
            loop.resume(checkpoint.step, state)
            self.points = list(checkpoint.points)
            self.resumed = (*checkpoint.resumed, checkpoint.step)
            self._before = checkpoint.seconds
        self._left = loop.step
        loop.team.refuse_different(loop.step)

    @property
    def seconds(self) -> float:
        return self._before + time.perf_counter() - self._start

    @contextmanager
    def watching(self) -> Iterator[Callable[[Point], None]]:
        """Within this, told of each step; SIGTERM saves and leaves after the step under way.

        Raises:
            TrainError: SIGTERM came.
        """
        with _asked_to_end() as asked:

            def note(point: Point) -> None:
                self.points.append(point)
                if self._loop.team.any(asked.is_set()):
                    self._leave()
                    raise TrainError(
                        f"training was asked to end after step {point.step} of {self._loop.steps}",
                        rule="SIGTERM saves a checkpoint and leaves",
                        remedy="run it again: it goes on from there",
                    )
                if time.perf_counter() - self._saved >= self._pause():
                    self._leave()

            yield note
            # Whoever asks for this training again need not take its last steps again.
            if self._loop.step > self._left:
                self._leave()

    def _pause(self) -> float:
        return max(self._kept.every, SHARE * self._cost) if self._kept else float("inf")

    def _leave(self) -> None:
        if self._kept is None or not self._loop.team.leads:
            return
        start = time.perf_counter()
        leave(
            self._kept.folder,
            self._loop.state(),
            question=self._kept.question,
            points=tuple(self.points),
            seconds=self.seconds,
            resumed=self.resumed,
        )
        self._saved, self._left = time.perf_counter(), self._loop.step
        self._cost = self._saved - start


def question(base: BaseInfo, rows: Sequence[Row], params: Train, choices: Choices) -> str:
    """What a training is, by digest: base, rows, parameters, choices and the code that trains."""
    import torch

    code = sorted(Path(__file__).parent.glob("*.py"))
    return digest_json(
        {
            "base": base.digest,
            "rows": [[row.id, list(row.tokens), row.prompt] for row in rows],
            "params": as_json(params),
            "choices": as_json(choices),
            "code": {path.name: digest_file(path) for path in code},
            "torch": torch.__version__,
        }
    )


@contextmanager
def _asked_to_end() -> Iterator[threading.Event]:
    """An event that SIGTERM sets; outside the main thread, where no signal can be caught, never."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(_signal: int, _frame: FrameType | None) -> None:
        asked.set()

    before = signal.signal(signal.SIGTERM, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before)
