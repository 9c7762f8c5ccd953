"""Is a contender at most a margin worse? Tests of non-inferiority for guards and slices.

The null hypothesis is always the harm: worse by the margin or more. Only evidence against it
lets a candidate pass, so that few rows prove nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import logsumexp
from scipy.stats import t

from pawl.gate.stats import Numbers, Units

# Units below which values without a bound prove nothing.
FEW = 10
# After so many more times the rows at hand we call it never.
TIMES = 1000.0
# Shares of the highest bet that cannot lose more than its stake: from bold, for a margin that rests
# on few rows that differ, to careful, for many. More of them would cost more than they find.
BETS = 0.98 * 0.6 ** np.arange(8)

# p if there were `times` as many rows and they went as these did; p(1.0) is the p of these.
P = Callable[[float], float]


def not_worse(gain: Units, margin: float, *, bounded: bool) -> P:
    """One-sided p of H0: the mean difference is -margin or less.

    Args:
        gain: differences, above 0 where the candidate is better.
        margin: what may be lost a row, 0 or more.
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
    """How many more rows would bring p below `level` if they went as these did; None if never."""
    times = 1.0
    while p(times) >= level:
        times *= 1.05
        if times > TIMES:
            return None
    return math.ceil(rows * (times - 1))


def _bets(gain: Units, margin: float) -> P:
    """A test by betting against the harm, for bounded differences of any shape.

    Each unit multiplies a stake by 1 + bet * (difference + margin); under H0 no bet grows it on
    average, so that P(stake >= 1 / p) <= p for any number of rows (Ville 1939; Robbins 1970). The
    stake is spread over several bets (a mixture: Waudby-Smith & Ramdas 2024, "Estimating means of
    bounded random variables by betting"). Exact for pass/fail, graded and grouped rows alike,
    where a t-test takes ten rows without a loss for proof.
    """
    if margin >= 1:
        return lambda _: 0.0
    # Grouped rows stand or fall together: the largest group bounds what one unit can lose.
    shifted = (gain.sums + margin * gain.sizes) / gain.sizes.max()
    bets = BETS / (1 - margin)
    grown: Numbers = np.log1p(bets[:, None] * shifted[None, :]).sum(axis=1)

    def p(times: float) -> float:
        return min(1.0, math.exp(math.log(bets.size) - float(logsumexp(times * grown))))

    return p


def _student(gain: Units, margin: float) -> P:
    """Student's t over units, for values without an upper bound (seconds, perplexity).

    No test of a mean is exact without bounds (Bahadur & Savage 1956); this one is the usual one.
    Few units, or units that all went alike, say nothing of the rare ones that did not: below FEW
    units p is 1, and it is never below that of a sign test that all of them win.
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
