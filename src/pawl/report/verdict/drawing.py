"""Where the marks of the page's drawings lie: intervals as strips, a training as a curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pawl.core.metrics import bounded
from pawl.core.records import Comparison, Training
from pawl.report.verdict.words import gain

# In the plot's own units; as wide as a phone, so that its text keeps its size there.
WIDTH, HEIGHT = 360.0, 150.0
LEFT, TOP, BOTTOM = 46.0, 10.0, 20.0
POINTS = 180


@dataclass(frozen=True)
class Strip:
    """A comparison's interval on an axis that all strips of a plot share: shares of its width."""

    low: float
    high: float
    point: float
    zero: float
    margin: float | None


def strips(comparisons: Sequence[Comparison]) -> dict[int, Strip]:
    """A strip for each comparison with an interval, by its place in the list.

    Metrics without an upper bound have units of their own, and so no place on this axis.
    """
    drawn = {i: c for i, c in enumerate(comparisons) if c.interval and bounded(c.metric)}
    if not drawn:
        return {}
    marks = [0.0]
    for one in drawn.values():
        marks += [*(one.interval or ()), gain(one), -(one.margin or 0.0)]
    low, high = min(marks), max(marks)
    pad = 0.04 * (high - low) or 0.01
    low, wide = low - pad, high - low + 2 * pad

    def at(value: float) -> float:
        return (value - low) / wide

    def strip(one: Comparison) -> Strip:
        low_end, high_end = one.interval or (0.0, 0.0)
        margin = None if one.margin is None else at(-one.margin)
        return Strip(at(low_end), at(high_end), at(gain(one)), at(0.0), margin)

    return {i: strip(one) for i, one in drawn.items()}


@dataclass(frozen=True)
class Curve:
    """A training's loss: `path` over the steps, the height of `dev` after it, labels of the axes.

    `dev_path` are the dev losses measured meanwhile, empty if less than two; `kept` is the place of
    the step whose weights were kept, None if dev losses do not show it. `ticks` are heights with
    their losses, `steps` the number of the last step; `log`: each part of the height is a factor.
    """

    path: str
    dev: float
    dev_path: str
    kept: tuple[float, float] | None
    ticks: tuple[tuple[float, str], ...]
    steps: int
    log: bool


def curve(training: Training) -> Curve | None:
    """The curve of a training's loss; None where it has less than two steps."""
    points = training.points
    if len(points) < 2:
        return None
    # A long training in as many points as can be seen: the mean of each stretch.
    size = math.ceil(len(points) / POINTS)
    stretches = [points[i : i + size] for i in range(0, len(points), size)]
    losses = [sum(p.loss for p in stretch) / len(stretch) for stretch in stretches]
    dev = training.dev_points
    shown = [*losses, training.dev_loss, *(point.loss for point in dev)]
    low, high = min(shown), max(shown)
    log = low > 0 and high > 20 * low

    def height(loss: float) -> float:
        a, b, c = (math.log(x) for x in (low, loss, high)) if log else (low, loss, high)
        share = (b - a) / (c - a) if c > a else 0.5
        return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)

    first, last = points[0].step, points[-1].step
    along = (WIDTH - LEFT) / max(1, last - first)

    def at(step: int, loss: float) -> tuple[float, float]:
        return LEFT + along * (step - first), height(loss)

    steps = [stretch[-1].step for stretch in stretches]
    ticks = tuple((height(value), f"{value:.2g}") for value in (high, low))
    return Curve(
        path=_path([at(step, loss) for step, loss in zip(steps, losses, strict=True)]),
        dev=height(training.dev_loss),
        dev_path=_path([at(p.step, p.loss) for p in dev]) if len(dev) > 1 else "",
        kept=next((at(p.step, p.loss) for p in dev if p.step == training.kept), None),
        ticks=ticks,
        steps=last,
        log=log,
    )


def _path(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
