"""What training reports: the curve, and a progress bar with the time that is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pawl.train.choices import Choices
from pawl.train.loop import Point


@dataclass(frozen=True)
class Curve:
    """How a training went.

    `tokens` are real tokens (no padding) over all steps and `seconds` wall time, that of runs which
    were cut off and continued included; `dev_loss` in nats a completion token, `resumed` the steps
    from which a run was continued, `choices` what the planner chose.
    """

    points: tuple[Point, ...]
    dev_loss: float
    seconds: float
    tokens: int
    tokens_per_second: float
    choices: Choices
    resumed: tuple[int, ...] = ()


def curve(
    points: Sequence[Point],
    *,
    seconds: float,
    dev_loss: float,
    resumed: Sequence[int],
    choices: Choices,
) -> Curve:
    """The curve of a training that is over."""
    tokens = sum(point.tokens for point in points)
    return Curve(
        points=tuple(points),
        dev_loss=dev_loss,
        seconds=round(seconds, 2),
        tokens=tokens,
        tokens_per_second=round(tokens / seconds, 1),
        choices=choices,
        resumed=tuple(resumed),
    )


@contextmanager
def bar(steps: int, *, done: int) -> Iterator[Callable[[Point], None]]:
    """A progress bar on stderr, told of each step."""
    from tqdm import tqdm

    with tqdm(total=steps, initial=done, desc="train", unit="step") as shown:

        def tell(point: Point) -> None:
            shown.set_postfix(loss=f"{point.loss:.3f}", refresh=False)
            shown.update(point.step - shown.n)

        yield tell
