"""What training reports: the curve, and a progress bar with the time that is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pawl.core.records import RankTrial
from pawl.train.choices import Choices
from pawl.train.loop import Point


@dataclass(frozen=True)
class Curve:
    """How a training went.

    `tokens` are real tokens (no padding) over all steps and `seconds` wall time, that of runs which
    were cut off and continued included; `resumed` are the steps from which a run was continued,
    `choices` what the planner chose.

    `dev_loss` is in nats a completion token, `train_loss` that of as many train rows after the
    training; `dev_losses` the sum a dev row, in their order. With `train.rank: auto` `rungs` are
    the ranks that were tried, and `seconds` those of all of them.
    """

    points: tuple[Point, ...]
    train_loss: float
    dev_loss: float
    dev_losses: tuple[float, ...]
    seconds: float
    tokens: int
    tokens_per_second: float
    choices: Choices
    resumed: tuple[int, ...] = ()
    rungs: tuple[RankTrial, ...] = ()


def curve(
    points: Sequence[Point],
    *,
    seconds: float,
    train_loss: float,
    dev_loss: float,
    dev_losses: Sequence[float],
    resumed: Sequence[int],
    choices: Choices,
) -> Curve:
    """The curve of a training that is over."""
    tokens = sum(point.tokens for point in points)
    return Curve(
        points=tuple(points),
        train_loss=train_loss,
        dev_loss=dev_loss,
        dev_losses=tuple(dev_losses),
        seconds=round(seconds, 2),
        tokens=tokens,
        tokens_per_second=round(tokens / seconds, 1),
        choices=choices,
        resumed=tuple(resumed),
    )


@contextmanager
def bar(steps: int, *, done: int, quiet: bool = False) -> Iterator[Callable[[Point], None]]:
    """A progress bar on stderr with the time that is left, told of each step."""
    from tqdm import tqdm

    with tqdm(total=steps, initial=done, desc="train", unit="step", disable=quiet) as shown:

        def tell(point: Point) -> None:
            shown.set_postfix(loss=f"{point.loss:.3f}", refresh=False)
            shown.update(point.step - shown.n)

        yield tell
