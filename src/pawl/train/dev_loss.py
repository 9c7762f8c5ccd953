"""Dev loss while a training goes on: when it is measured, which step is best, when it is over.

All of it follows from parameters and the points measured so far, so that a resumed training decides
as one that was never interrupted. The best step is the first with the lowest dev loss: "early
stopping" of Prechelt 1998, with patience counted in evaluations.
"""

from __future__ import annotations

from collections.abc import Sequence

from pawl.config.schema import Train
from pawl.core.records import DevPoint


def evaluated_steps(params: Train, *, steps: int, steps_per_epoch: int) -> list[int]:
    """The steps after which dev loss is measured, ascending, the last of all among them.

    Empty where neither parameters ask for it nor anything needs it.
    """
    if params.evaluations is not None:
        parts = range(1, params.evaluations + 1)
        return sorted({-(-part * steps // params.evaluations) for part in parts})
    if params.keep == "best" or params.patience is not None:
        return [*range(steps_per_epoch, steps, steps_per_epoch), steps]
    return []


def best(points: Sequence[DevPoint]) -> DevPoint:
    """The first point with the lowest loss."""
    return min(points, key=lambda point: point.loss)


def is_over(points: Sequence[DevPoint], patience: int | None) -> bool:
    """Whether the last `patience` evaluations found no loss below the best before them."""
    if patience is None or not points:
        return False
    return len(points) - 1 - points.index(best(points)) >= patience
