"""Measure training speed by a few real steps on this machine."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pawl.config.schema import Train
from pawl.core.records import Choices, Passes, Point
from pawl.train.agreement import agreed
from pawl.train.fake_model import meta_base
from pawl.train.loop import Loop
from pawl.train.qlora import prepared
from pawl.train.rows import Row

# The most steps and seconds. The first step, which allocates, is not timed if there are others.
STEPS, SECONDS = 8, 10.0
# The most floating-point operations of a tried step: some ten seconds on two cores, or on a GPU.
# Speed per token does not depend on the number of rows, but for the cost of each pack.
CPU_WORK, CUDA_WORK = 2e12, 2e15
# Two passes and one for checkpointing, two operations per parameter and token in each.
WORK = 6


@dataclass(frozen=True)
class Calibration:
    """Real tokens (no padding) a second over `steps` steps, by the passes that agree (`agreed`)."""

    tokens_per_second: float
    steps: int
    passes: Passes = "packed"


class _EnoughError(Exception):
    """Stops the calibration after SECONDS."""


def calibrate(
    folder: Path, rows: Sequence[Row], params: Train, choices: Choices
) -> Calibration | None:
    """Train a few steps on the task's rows and discard the result.

    None if a step of even one row would take too long.

    Raises:
        TrainError: a loss or gradient was not finite.
        BaseError: the base cannot be trained here (`agreed`).
    """
    import torch

    count = sum(p.numel() for p in meta_base(folder, torch.float32).parameters())
    most = (CUDA_WORK if torch.cuda.is_available() else CPU_WORK) / (WORK * count)
    size = min(params.batch_size, int(most / (sum(map(len, rows)) / len(rows))))
    if size < 1:
        return None
    one_epoch = dataclasses.replace(params, epochs=1, batch_size=size)
    sample = rows[: size * (STEPS + 1)]
    model = prepared(folder, params, choices)
    choices, _ = agreed(model, rows, choices)
    loop = Loop(model, sample, params=one_epoch, choices=choices)
    marks = [(time.perf_counter(), 0)]

    def after(point: Point) -> None:
        marks.append((time.perf_counter(), point.tokens))
        if marks[-1][0] - marks[0][0] > SECONDS:
            raise _EnoughError

    with suppress(_EnoughError):
        loop.run(after)
    timed = marks[1:] if len(marks) > 2 else marks
    tokens = sum(count for _, count in timed[1:])
    return Calibration(
        round(tokens / (timed[-1][0] - timed[0][0]), 1), len(timed) - 1, choices.passes
    )
