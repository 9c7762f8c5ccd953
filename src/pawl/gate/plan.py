"""What this gate can see with these rows, before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pawl.config.schema import Gate
from pawl.core.alpha_budget import level
from pawl.core.metrics import bounded
from pawl.gate.margins import holm, not_worse
from pawl.gate.stats import rows_needed, smallest_gain, units

# A better adapter still loses some rows that the old one had right; 2 % is common.
BREAKS = 0.02
WANTED = (0.02, 0.05, 0.10)


@dataclass(frozen=True)
class Sight:
    """What one look sees with 80 % power; `rows_for` maps a wanted gain to gate rows.

    `units` are what counts as independent: rows, or groups of rows. `level` and `smallest_gain`
    (None: no gain is seen) are those of the next look, `last_level` and `last_gain` of the
    budget's last. All of them take it that `breaks` of the units are newly lost. Of a metric
    without a bound no gain is told: what is seen depends on how its values spread.
    """

    rows: int
    units: int
    breaks: float
    level: float
    smallest_gain: float | None
    rows_for: dict[str, int]
    last_level: float
    last_gain: float | None


def sight(groups: Sequence[str | None], policy: Gate, *, number: int = 1, nth: int = 1) -> Sight:
    """The smallest true gain in pass rate that the looks left at these gate rows would see.

    Grouped rows count as one row a group. That holds where the rows of a group differ; of groups
    that stand and fall together this gain is seen in a third of the cases only.

    Args:
        groups: the group of each gate row to judge on, None for a row of its own.
        policy: the gate section of `params.yaml`.
        number: the next look's place in its budget, from 1.
        nth: which of the task's budgets pays for it, from 1; later ones have lower levels.
    """
    now, last = level(policy, number, nth=nth), level(policy, policy.looks, nth=nth)
    count = units(np.zeros(len(groups)), groups).sums.size
    each = len(groups) / max(1, count)
    told = bounded(policy.metric)
    return Sight(
        rows=len(groups),
        units=count,
        breaks=BREAKS,
        level=now,
        smallest_gain=smallest_gain(count, level=now, breaks=BREAKS) if told else None,
        rows_for={
            f"{gain:.0%}": round(each * rows_needed(gain, level=now, breaks=BREAKS))
            for gain in (WANTED if told else ())
        },
        last_level=last,
        last_gain=smallest_gain(count, level=last, breaks=BREAKS) if told else None,
    )


def unprovable(
    groups: Sequence[str | None], slices: Sequence[str | None], policy: Gate
) -> tuple[str, ...]:
    """The guards and slices that these gate rows could not prove though not one of them changed.

    Args:
        groups, slices: of each gate row to judge on.
    """
    family = [(f"guard {m}", m, margin, "") for m, margin in sorted(policy.guards.items())]
    if policy.slices is not None:
        named = sorted({name for name in slices if name})
        family += [(f"slice {name}", policy.metric, policy.slices, name) for name in named]
    best = []
    for _, metric, margin, only in family:
        mine = [g for g, name in zip(groups, slices, strict=True) if name == only or not only]
        same = units(np.zeros(len(mine)), mine)
        p = not_worse(same, margin, bounded=bounded(metric))(1.0) if mine else 1.0
        best.append(p)
    held = zip(family, holm(best), strict=True)
    return tuple(name for (name, *_), p in held if p >= policy.alpha)
