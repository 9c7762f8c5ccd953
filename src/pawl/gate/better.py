"""Superiority test: is the candidate better than another contender, and not by luck?

The null hypothesis is a mean difference of 0 or less. Single pass/fail rows get an exact McNemar
test, since edition 2 of the rules the unconditional one. Sign flips alone hold their level only
where differences are symmetric under the null; small gains on many rows paid for by large losses on
few are not. So graded and grouped rows must also pass the betting test of `margins` at margin 0,
which holds for any shape.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import norm

from pawl.gate.margins import P, not_worse
from pawl.gate.mcnemar import mcnemar_p, mid_p, unconditional_p
from pawl.gate.stats import FLIPS, Units, sign_flip_p

# How many drawn flips the level must amount to, so that chance in the drawing does not decide; and
# how many are drawn at most. A level below 1 / MOST cannot be met: fails closed.
BELOW, MOST = 20, 200_000


def better(gain: Units, *, level: float, bounded: bool, edition: int) -> P:
    """One-sided p of H0: the mean difference is 0 or less; 1 if no unit differs.

    Args:
        gain: differences, above 0 where the candidate is better.
        level: the level that p is compared with; the smaller, the more flips are drawn.
        bounded: whether a row's difference lies in [-1, 1].
        edition: of the rules, for verdicts of earlier ones.

    Returns:
        p as a function of `times`: of these units at 1.0, else the p expected of that many times as
        many such units.
    """
    won, lost = int((gain.sums > 0).sum()), int((gain.sums < 0).sum())
    if not won + lost:
        return lambda _: 1.0
    if bounded and not gain.clustered and np.isin(gain.sums, (-1, 0, 1)).all():
        if edition == 1:
            return lambda times: mcnemar_p(round(won * times), round(lost * times))
        return _pass_or_fail(won, lost, gain.sums.size)
    bets = not_worse(gain, 0.0, bounded=bounded)
    # If the betting test fails already, more flips cannot change the outcome.
    flips = FLIPS if bets(1.0) >= level else max(FLIPS, min(MOST, math.ceil(BELOW / level)))
    observed = max(bets(1.0), sign_flip_p(gain.sums, flips=flips))
    largest = float(np.abs(gain.sums).max())
    # Squares of the tiniest differences would all be 0.
    scaled = gain.sums / largest
    score = float(scaled.sum() / np.sqrt(np.square(scaled).sum()))

    def p(times: float) -> float:
        # Sums of random signs are normal where there are many: no need to draw for a forecast.
        return (
            observed if times == 1 else max(bets(times), float(norm.sf(score * math.sqrt(times))))
        )

    return p


def _pass_or_fail(won: int, lost: int, units: int) -> P:
    observed = unconditional_p(won, lost, units)

    def p(times: float) -> float:
        if times == 1:
            return observed
        # As good for a forecast, and a thousandth of the work.
        wins = round(won * times)
        return float(mid_p(np.array(wins), np.array(wins + round(lost * times))))

    return p
