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
from pawl.core.records import BaseInfo, Choices, Point
from pawl.errors import StoppedError
from pawl.train.checkpoint import latest_checkpoint, save_checkpoint
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
    """`points` of all steps, `seconds` of all runs; resumes the loop from the newest checkpoint."""

    def __init__(self, loop: Loop, checkpoints: Checkpoints | None) -> None:
        self.points: list[Point] = []
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
            self.points = list(checkpoint.points)
            self.resumed = (*checkpoint.resumed, checkpoint.step)
            self._earlier = checkpoint.seconds
        self._saved_step = loop.step
        loop.process_group.refuse_different_steps(loop.step)

    @property
    def seconds(self) -> float:
        """Wall time of all runs so far."""
        return self._earlier + time.perf_counter() - self._start

    @contextmanager
    def recording(self) -> Iterator[Callable[[Point], None]]:
        """Within this, call the result with each step; SIGTERM saves a checkpoint and ends it.

        Raises:
            StoppedError: SIGTERM came.
        """
        with _sigterm_event() as sigterm:

            def record(point: Point) -> None:
                self.points.append(point)
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
            if self._loop.step > self._saved_step:
                self._save()

    def _interval(self) -> float:
        """Seconds from one checkpoint to the next."""
        if self._checkpoints is None:
            return float("inf")
        return max(self._checkpoints.every, SHARE * self._cost)

    def _save(self) -> None:
        if self._checkpoints is None or not self._loop.process_group.is_main:
            return
        start = time.perf_counter()
        save_checkpoint(
            self._checkpoints.folder,
            self._loop.state(),
            fingerprint=self._checkpoints.fingerprint,
            points=tuple(self.points),
            seconds=self.seconds,
            resumed=self.resumed,
        )
        self._saved, self._saved_step = time.perf_counter(), self._loop.step
        self._cost = self._saved - start


def training_fingerprint(
    base: BaseInfo, rows: Sequence[Row], params: Train, choices: Choices
) -> str:
    """Digest of what a training depends on: base, rows, parameters, choices, this room's code."""
    import torch

    code = sorted(Path(__file__).parent.glob("*.py"))
    return digest_json(
        {
            "base": base.digest,
            "rows": [[row.id, list(row.tokens), row.prompt, *row.earlier] for row in rows],
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
