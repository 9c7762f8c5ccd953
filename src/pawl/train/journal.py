"""A training's journal: its steps so far, and the checkpoints that it resumes from."""

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
from pawl.core.records import BaseInfo, Choices, DevPoint, Point
from pawl.errors import StoppedError
from pawl.train.checkpoint import Checkpoint, latest_checkpoint, save_checkpoint
from pawl.train.loop import Loop
from pawl.train.rows import Row

# Seconds between checkpoints; writing them takes at most one part in SHARE of the time.
EVERY = 20.0
SHARE = 50


@dataclass(frozen=True)
class Checkpoints:
    """The folder of a training's checkpoints, its fingerprint, and the seconds between two."""

    folder: Path
    fingerprint: str
    every: float = EVERY

    def delete(self) -> None:
        """Delete all checkpoints in the folder."""
        remove(self.folder)


class Journal:
    """`points` of all steps, `dev_points`, `seconds` of all runs.

    It resumes the loop from the newest checkpoint.
    """

    def __init__(self, loop: Loop, checkpoints: Checkpoints | None) -> None:
        self.points: list[Point] = []
        self.dev_points: list[DevPoint] = []
        self.resumed: tuple[int, ...] = ()
        self._earlier = 0.0
        self._loop, self._checkpoints = loop, checkpoints
        self._start = self._saved = time.perf_counter()
        self._cost = 0.0
        latest = None
        if checkpoints:
            folder, fingerprint = checkpoints.folder, checkpoints.fingerprint
            latest = latest_checkpoint(folder, fingerprint=fingerprint)
            if latest is None and loop.process_group.is_main:
                # Another training's checkpoints would count as newer than those to come.
                checkpoints.delete()
        if latest is not None:
            checkpoint, state = latest
            loop.resume(checkpoint.step, state)
            self.points, self.dev_points = list(checkpoint.points), list(checkpoint.dev_points)
            self.resumed = (*checkpoint.resumed, checkpoint.step)
            self._earlier = checkpoint.seconds
        self._saved_at = self._place()
        loop.process_group.refuse_different_steps(loop.step)

    @property
    def seconds(self) -> float:
        """Wall time of all runs so far."""
        return self._earlier + time.perf_counter() - self._start

    @contextmanager
    def recording(self) -> Iterator[Callable[[Point | DevPoint], None]]:
        """Within this, call the result with each step and each dev loss.

        SIGTERM saves a checkpoint and ends the training.

        Raises:
            StoppedError: SIGTERM came.
        """
        with _sigterm_event() as sigterm:

            def record(point: Point | DevPoint) -> None:
                if isinstance(point, Point):
                    self.points.append(point)
                else:
                    self.dev_points.append(point)
                if self._loop.process_group.any(sigterm.is_set()):
                    self._save()
                    raise StoppedError(
                        f"training was asked to end after step {point.step} of {self._loop.steps}",
                        rule="SIGTERM saves a checkpoint and ends training",
                        remedy="run it again: it resumes from there",
                    )
                if time.perf_counter() - self._saved >= self._interval():
                    self._save()

            yield record
            # So that the same training, asked for again, repeats no step.
            if self._place() > self._saved_at:
                self._save()

    def _place(self) -> tuple[int, int]:
        """How far the training is: steps taken, dev losses measured."""
        return self._loop.step, len(self.dev_points)

    def _interval(self) -> float:
        """Seconds from one checkpoint to the next."""
        if self._checkpoints is None:
            return float("inf")
        return max(self._checkpoints.every, SHARE * self._cost)

    def _save(self) -> None:
        if self._checkpoints is None or not self._loop.process_group.is_main:
            return
        start = time.perf_counter()
        checkpoint = Checkpoint(
            question=self._checkpoints.fingerprint,
            step=self._loop.step,
            state="",
            points=tuple(self.points),
            seconds=self.seconds,
            resumed=self.resumed,
            dev_points=tuple(self.dev_points),
        )
        save_checkpoint(self._checkpoints.folder, self._loop.state(), checkpoint)
        self._saved, self._saved_at = time.perf_counter(), self._place()
        self._cost = self._saved - start


def training_fingerprint(
    base: BaseInfo,
    rows: Sequence[Row],
    params: Train,
    choices: Choices,
    *,
    dev_rows: Sequence[Row] = (),
    start: str | None = None,
) -> str:
    """Digest of what a training depends on: base, rows, parameters, choices, this room's code.

    `dev_rows` decide which weights are kept, `start` is the digest of the adapter it begins with.
    """
    import torch

    code = sorted(Path(__file__).parent.glob("*.py"))
    return digest_json(
        {
            "base": base.digest,
            "rows": [_of_row(row) for row in rows],
            "dev": [_of_row(row) for row in dev_rows],
            "start": start,
            "params": as_json(params),
            "choices": as_json(choices),
            "code": {path.name: digest_file(path) for path in code},
            "torch": torch.__version__,
        }
    )


@contextmanager
def _sigterm_event() -> Iterator[threading.Event]:
    """Within this, SIGTERM sets the event; only in the main thread, which alone gets signals."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def handle(_signal: int, _frame: FrameType | None) -> None:
        event.set()

    previous = signal.signal(signal.SIGTERM, handle)
    try:
        yield event
    finally:
        signal.signal(signal.SIGTERM, previous)


def _of_row(row: Row) -> list[object]:
    return [row.id, list(row.tokens), row.prompt, *row.earlier]
