"""Statistical power: the smallest gain that the gate can detect, before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from pawl.config.judging import Gate
from pawl.core.alpha_budget import level
from pawl.core.metrics import bounded
from pawl.gate.margins import not_worse
from pawl.gate.mcnemar import Counts, fewest_mid_p_wins, fewest_wins
from pawl.gate.stats import units

# A better adapter still loses some rows that the old one had right; 2 % is common.
BREAKS = 0.02
WANTED = (0.02, 0.05, 0.10)


@dataclass(frozen=True)
class Power:
    """What one look detects with 80 % power; `rows_for` maps a wanted gain to gate rows.

    `units` are what counts as independent: rows, or groups of rows. `level` and `smallest_gain`
    (None: no gain is detectable) are those of the next look, `last_level` and `last_gain` of the
    budget's last. All assume that `breaks` of the units are newly lost. For a metric without an
    upper bound gains are None: what is detectable depends on how its values spread.
    """

    rows: int
    units: int
    breaks: float
    level: float
    smallest_gain: float | None
    rows_for: dict[str, int]
    last_level: float
    last_gain: float | None


def gate_power(
    groups: Sequence[str | None], policy: Gate, *, number: int = 1, nth: int = 1
) -> Power:
    """The smallest true gain in pass rate that the remaining looks at these gate rows detect.

    Grouped rows count as one row a group. That holds where the rows of a group differ; in groups
    whose rows all agree this gain is detected in only a third of the cases.

    Args:
        groups: the group of each gate row to judge on, None for a row of its own.
        policy: the gate section of `params.yaml`.
        number: the next look's place in its budget, from 1.
        nth: which of the task's budgets pays for it, from 1; later ones have lower levels.
    """
    # Of what people compare, `pairs` are drawn.
    groups = groups[: policy.pairs]
    now, last = level(policy, number, nth=nth), level(policy, policy.looks, nth=nth)
    count = units(np.zeros(len(groups)), groups).sums.size
    rows_per_unit = len(groups) / max(1, count)
    has_gains = bounded(policy.metric)
    return Power(
        rows=len(groups),
        units=count,
        breaks=BREAKS,
        level=now,
        smallest_gain=smallest_gain(count, level=now, breaks=BREAKS) if has_gains else None,
        rows_for={
            f"{gain:.0%}": round(rows_per_unit * rows_needed(gain, level=now, breaks=BREAKS))
            for gain in (WANTED if has_gains else ())
        },
        last_level=last,
        last_gain=smallest_gain(count, level=last, breaks=BREAKS) if has_gains else None,
    )


@dataclass(frozen=True)
class Sight:
    """What a look at `level` sees four times in five: `gain` in pass rate, None for no gain at all.

    `units` are what counted as independent of the `rows`; `rows_for` maps wanted gains to gate
    rows. All assume that `breaks` of the units are newly lost.
    """

    rows: int
    units: int
    level: float
    gain: float | None
    breaks: float
    rows_for: dict[str, int]


def sight(groups: Sequence[str | None], *, level: float) -> Sight:
    """What a look at this level sees in these gate rows, by the group of each; bounded metrics."""
    count = units(np.zeros(len(groups)), groups).sums.size
    per_unit = len(groups) / max(1, count)
    return Sight(
        rows=len(groups),
        units=count,
        level=level,
        gain=smallest_gain(count, level=level, breaks=BREAKS),
        breaks=BREAKS,
        rows_for={
            f"{gain:.0%}": round(per_unit * rows_needed(gain, level=level, breaks=BREAKS))
            for gain in WANTED
        },
    )


def unprovable_guards(
    groups: Sequence[str | None], slices: Sequence[str | None], policy: Gate
) -> tuple[str, ...]:
    """Guards and slices that these gate rows could not prove even if no answer changed.

    Args:
        groups, slices: of each gate row to judge on.
    """
    family = [(f"guard {m}", m, margin, "") for m, margin in sorted(policy.guards.items())]
    if policy.slices is not None:
        names = sorted({name for name in slices if name})
        family += [(f"slice {name}", policy.metric, policy.slices, name) for name in names]
    found = []
    for rule, metric, margin, only in family:
        members = [g for g, name in zip(groups, slices, strict=True) if name == only or not only]
        no_change = units(np.zeros(len(members)), members)
        p = not_worse(no_change, margin, bounded=bounded(metric))(1.0) if members else 1.0
        if p >= policy.alpha:
            found.append(rule)
    return tuple(found)


def power(gain: float, rows: int, *, level: float, breaks: float) -> float:
    """Probability that the unconditional McNemar test detects a true gain.

    Args:
        gain: true difference in pass rate, in (0, 1].
        rows: gate rows.
        level: p must be below it.
        breaks: share of rows that the candidate newly gets wrong; it then newly gets
            `gain + breaks` right.
    """
    return _detected(gain, fewest_wins(rows, level), breaks=breaks)


def smallest_gain(rows: int, *, level: float, breaks: float, wanted: float = 0.8) -> float | None:
    """The smallest gain, to a tenth of a point, detected with power `wanted`; None if none is."""
    need = fewest_wins(rows, level)
    for tenth in range(1, int(1000 * (1 - breaks)) + 1):
        if _detected(tenth / 1000, need, breaks=breaks) >= wanted:
            return tenth / 1000
    return None


def rows_needed(gain: float, *, level: float, breaks: float, wanted: float = 0.8) -> int:
    """Gate rows that detect `gain` with power `wanted` (to about 2 %)."""
    rows = 10
    # The mid-p at the level itself passes a little more often, and costs next to nothing.
    while _detected(gain, fewest_mid_p_wins(np.arange(rows + 1), level), breaks=breaks) < wanted:
        rows = math.ceil(rows * 1.02)
    while power(gain, rows, level=level, breaks=breaks) < wanted:
        rows = math.ceil(rows * 1.02)
    return rows


def _detected(gain: float, need: Counts, *, breaks: float) -> float:
    """Probability of as many wins as each number of differing rows needs, from 0 to all rows."""
    differ = min(gain + 2 * breaks, 1.0)
    share = (gain + breaks) / (gain + 2 * breaks)
    counts = np.arange(need.size)
    chance = binom.pmf(counts, need.size - 1, differ)
    return float((chance * binom.sf(need - 1, counts, share)).sum())
