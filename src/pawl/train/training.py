"""One training of a model: its steps, its dev losses meanwhile, and the record of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.config.schema import Train
from pawl.core.records import Choices, DevPoint, Point, Training
from pawl.train.choices import PLAIN
from pawl.train.dev_loss import best, evaluated_steps, is_over
from pawl.train.journal import Checkpoints, Journal
from pawl.train.loop import Loop, shuffled
from pawl.train.process_group import SINGLE, ProcessGroup
from pawl.train.progress import progress_bar
from pawl.train.row_loss import mean_loss, mean_per_token, row_losses
from pawl.train.rows import Row
from pawl.train.step_log import step_log

if TYPE_CHECKING:
    from peft import PeftModel


def fit(
    model: PeftModel,
    rows: Sequence[Row],
    dev_rows: Sequence[Row],
    *,
    params: Train,
    choices: Choices = PLAIN,
    checkpoints: Checkpoints | None = None,
    points: Path | None = None,
    process_group: ProcessGroup = SINGLE,
) -> Training:
    """Train the model in place and return the record of the training.

    With `train.keep: best` the model then has the weights of the evaluated step with the lowest dev
    loss.

    Args:
        model: its base is NF4 or dense as in `choices` (`prepared`).
        checkpoints: where checkpoints are written and resumed from; None: nowhere.
        points: the file of the step log; None: none.
        process_group: the processes that train together; only the main one writes.

    Raises:
        TrainError: a loss or gradient is not finite (the message names step and rows), or SIGTERM
            came (a checkpoint was saved).
    """
    loop = Loop(model, rows, params=params, choices=choices, process_group=process_group)
    journal = Journal(loop, checkpoints)
    fingerprint = checkpoints.fingerprint if checkpoints else ""
    evaluated = max((point.step for point in journal.dev_points), default=0)
    restored = loop.step
    with (
        progress_bar(loop.steps, done=loop.step, quiet=not process_group.is_main) as show,
        step_log(
            points if process_group.is_main else None,
            fingerprint=fingerprint,
            steps=loop.steps,
            resumed=restored,
            evaluated=evaluated,
        ) as log,
        journal.recording() as record,
    ):

        def after(point: Point | DevPoint) -> None:
            show(point)
            log(point)
            record(point)

        _run(loop, dev_rows, journal.dev_points, after)
    kept = loop.step
    if params.keep == "best":
        loop.return_to_best()
        kept = best(journal.dev_points).step
    if process_group.is_main and journal.dev_points and loop.step > restored:
        sys.stderr.write(f"train: {_ending(loop, journal.dev_points, kept)}\n")
    dev_losses = row_losses(model, dev_rows, choices=choices)
    sample = shuffled(len(rows), seed=params.seed, epoch=0)[: len(dev_rows)]
    tokens = sum(point.tokens for point in journal.points)
    seconds = journal.seconds
    return Training(
        points=tuple(journal.points),
        train_loss=mean_loss(model, [rows[i] for i in sample], choices=choices),
        dev_loss=mean_per_token(dev_losses, dev_rows),
        dev_losses=tuple(dev_losses),
        seconds=round(seconds, 2),
        tokens=tokens,
        tokens_per_second=round(tokens / seconds, 1),
        choices=choices,
        resumed=tuple(journal.resumed),
        dev_points=tuple(journal.dev_points),
        kept=kept,
        planned=loop.steps,
    )


def _run(
    loop: Loop,
    dev_rows: Sequence[Row],
    found: Sequence[DevPoint],
    after: Callable[[Point | DevPoint], None],
) -> None:
    """Take the remaining steps and measure dev loss in between, until all are taken or it is over.

    Args:
        found: the dev losses so far; `after` adds to them.
    """
    params = loop.params
    ends = evaluated_steps(params, steps=loop.steps, steps_per_epoch=loop.steps_per_epoch)
    for end in ends[len(found) :]:
        if is_over(found, params.patience):
            return
        loop.run(after, until=end)
        loss = mean_loss(loop.model, dev_rows, choices=loop.choices)
        point = DevPoint(end, loop.process_group.mean(loss))
        if params.keep == "best" and best([*found, point]) == point:
            loop.remember()
        after(point)
    if not ends:
        loop.run(after)


def _ending(loop: Loop, found: Sequence[DevPoint], kept: int) -> str:
    """How dev loss went and which weights the adapter has, in a sentence."""
    lowest = best(found)
    text = f"dev loss is lowest after step {lowest.step} ({lowest.loss:.4g}); "
    if loop.step < loop.steps:
        text += f"ended early, after step {loop.step} of {loop.steps}; "
    return text + f"the adapter has the weights of step {kept}"
