"""Non-inferiority tests for guards and slices: is the candidate at most a margin worse?

The null hypothesis is always harm: worse by the margin or more. Only evidence against it passes, so
that few rows prove nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import logsumexp
from scipy.stats import t

from pawl.gate.stats import Numbers, Units

# With fewer units the t-test on unbounded values returns 1.
FEW = 10
# `rows_to_settle` gives up beyond this multiple of the rows at hand.
TIMES = 1000.0
# Bets as shares of the highest that cannot lose more than its stake: large ones have power where
# few rows differ, small ones where many do. A longer list would cost more power than it adds.
BETS = 0.98 * 0.6 ** np.arange(8)

# p expected of `times` as many rows with the same differences; p(1.0) is the p of these rows.
P = Callable[[float], float]


def not_worse(gain: Units, margin: float, *, bounded: bool) -> P:
    """One-sided p of H0: the mean difference is -margin or less.

    Args:
        gain: differences, above 0 where the candidate is better.
        margin: allowed mean loss a row, 0 or more.
        bounded: whether a row's difference lies in [-1, 1].
    """
    return _bets(gain, margin) if bounded else _student(gain, margin)


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p-values of a family (Holm 1979), in the order given; each is at most 1."""
    adjusted, worst = [1.0] * len(p), 0.0
    for rank, index in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        worst = max(worst, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = worst
    return adjusted


def rows_to_settle(p: P, rows: int, *, level: float) -> int | None:
    """How many more rows with the same differences bring p below `level`; None if none do."""
    times = 1.0
    while p(times) >= level:
        times *= 1.05
        if times > TIMES:
            return None
    return math.ceil(rows * (times - 1))


def _bets(gain: Units, margin: float) -> P:
    """A betting test against harm, for bounded differences of any shape.

    Each unit multiplies a stake by 1 + bet * (difference + margin); under H0 no bet grows it on
    average, so that P(stake >= 1 / p) <= p for any number of rows (Ville 1939; Robbins 1970). The
    stake is spread over several bets (a mixture: Waudby-Smith & Ramdas 2024, "Estimating means of
    bounded random variables by betting"). Exact for pass/fail, graded and grouped rows alike,
    where a t-test would accept ten rows without a loss as proof.
    """
    if margin >= 1:
        return lambda _: 0.0
    # A unit is a whole group: the largest group bounds what one unit can lose.
    shifted = (gain.sums + margin * gain.sizes) / gain.sizes.max()
    bets = BETS / (1 - margin)
    grown: Numbers = np.log1p(bets[:, None] * shifted[None, :]).sum(axis=1)

    def p(times: float) -> float:
        return min(1.0, math.exp(math.log(bets.size) - float(logsumexp(times * grown))))

    return p


def _student(gain: Units, margin: float) -> P:
    """Student's t over units, for values without an upper bound (seconds, perplexity).

    No test of a mean is exact without bounds (Bahadur & Savage 1956); this one is the usual one.
    Few units, or units without spread, are no evidence about rare losses: below FEW units p is 1,
    and it is never below that of a sign test which all units win.
    """
    count = gain.sums.size
    if count < FEW:
        return lambda _: 1.0
    shifted = gain.sums + margin * gain.sizes
    mean, spread = float(shifted.mean()), float(shifted.std(ddof=1))

    def p(times: float) -> float:
        # 2^-1000 is still a number above 0.
        least = math.pow(0.5, min(count * times, 1000.0))
        if spread == 0:
            return least if mean > 0 else 1.0
        score = mean / spread * math.sqrt(count * times)
        return max(least, float(t.sf(score, count * times - 1)))

    return p
