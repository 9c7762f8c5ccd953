"""How long a training takes, from a few real steps of it on this machine."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pawl.config.schema import Train
from pawl.train.choices import Choices
from pawl.train.loop import Loop, Point
from pawl.train.phantom import shapes
from pawl.train.qlora import prepared
from pawl.train.rows import Row

# The first step allocates and is not timed if there are others; they end with the one that is over.
STEPS, SECONDS = 8, 10.0
# Floating-point operations that a step may have to be tried: some ten seconds of two cores, or of
# a card. With fewer rows a step is as fast a token, all but for the packs' own cost.
CPU_WORK, CUDA_WORK = 2e12, 2e15
# Two passes and one for checkpointing, two operations a parameter and token in each.
WORK = 6


@dataclass(frozen=True)
class Calibration:
    """Real tokens (no padding) a second over `steps` steps."""

    tokens_per_second: float
    steps: int


class _EnoughError(Exception):
    """The time for the calibration is over."""


def calibrate(
    folder: Path, rows: Sequence[Row], params: Train, choices: Choices
) -> Calibration | None:
    """Train a few steps on the task's rows and throw them away.

    None where a single row would take long.

    Raises:
        TrainError: a loss or gradient was no finite number.
    """
    import torch

    count = sum(p.numel() for p in shapes(folder, torch.float32).parameters())
    most = (CUDA_WORK if torch.cuda.is_available() else CPU_WORK) / (WORK * count)
    size = min(params.batch_size, int(most / (sum(map(len, rows)) / len(rows))))
    if size < 1:
        return None
    once = dataclasses.replace(params, epochs=1, batch_size=size)
    some = rows[: size * (STEPS + 1)]
    loop = Loop(prepared(folder, params, choices), some, params=once, choices=choices)
    marks = [(time.perf_counter(), 0)]

    def after(point: Point) -> None:
        marks.append((time.perf_counter(), point.tokens))
        if marks[-1][0] - marks[0][0] > SECONDS:
            raise _EnoughError

    with suppress(_EnoughError):
        loop.run(after)
    timed = marks[1:] if len(marks) > 2 else marks
    tokens = sum(count for _, count in timed[1:])
    return Calibration(round(tokens / (timed[-1][0] - timed[0][0]), 1), len(timed) - 1)
