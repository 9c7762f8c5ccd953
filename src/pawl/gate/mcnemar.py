"""Exact McNemar tests of paired pass/fail rows: given the rows that differ, and unconditionally.

The conditional test (McNemar 1947) is a sign test of the rows that differ. Its levels are coarse:
what it promises as 5 % is often 2 %. The unconditional one orders the outcomes by their mid-p and
takes as p the largest probability, over every share of rows that may differ, of an outcome that
speaks as clearly for the candidate (Suissa & Shuster 1991; mid-p as the order: Fagerland, Lydersen
& Laake 2013, "The McNemar test for binary matched-pairs data", BMC Med Res Methodol 13:91). Exact
as well, and more powerful.

Only the boundary counts, where winning and losing are equally likely: a row tied instead of lost,
or won instead of tied, never makes the mid-p larger, so that no candidate who is truly worse passes
more often than one who is as good (Röhmel & Mansmann 1999).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]

# With more units the conditional test decides: it is then within two points of power of the other,
# whose cost grows with their square (0.5 s at this many).
MOST_UNITS = 5000
# By so much, relatively, the bound on the largest probability may exceed it; the p errs upwards.
SLACK = 1e-3
# Mid-ps that differ by less are the same but for rounding.
ROUNDING = 1e-9


def mcnemar_p(wins: int, losses: int) -> float:
    """Conditional one-sided p: P(at least `wins` of the rows that differ); 1 if none does."""
    return float(binom.sf(wins - 1, wins + losses, 0.5)) if wins + losses else 1.0


def mid_p(wins: Counts, differ: Counts) -> Numbers:
    """P(more wins) + P(as many) / 2, of `differ` rows that are won or lost by a fair coin."""
    p: Numbers = binom.sf(wins, differ, 0.5) + 0.5 * binom.pmf(wins, differ, 0.5)
    return p


@lru_cache(maxsize=100_000)
def unconditional_p(wins: int, losses: int, units: int) -> float:
    """Unconditional one-sided p of H0: a unit is won no more often than it is lost.

    Args:
        wins, losses: units won and lost.
        units: all, those that do not differ included.
    """
    if units > MOST_UNITS or not wins + losses:
        return mcnemar_p(wins, losses)
    observed = float(mid_p(np.array(wins), np.array(wins + losses)))
    return min(1.0, _largest(_passing(units, observed)))


@lru_cache(maxsize=1000)
def fewest_wins(units: int, level: float) -> Counts:
    """For 0 to `units` rows that differ, the fewest wins with an unconditional p below `level`.

    One more than there are rows where none suffices.
    """
    counts = np.arange(units + 1)
    if units > MOST_UNITS:
        # `isf` may be off by one at ties.
        need: Counts = binom.isf(level, counts, 0.5).astype(np.int64) + 1
        return need
    low, high = level / 4, 2 * level
    while high / low > 1 + SLACK:
        middle = float(np.sqrt(low * high))
        if _largest(_passing(units, middle), enough=level) < level:
            low = middle
        else:
            high = middle
    return fewest_mid_p_wins(counts, low)


def _passing(units: int, bound: float) -> Numbers:
    """P(mid-p of at most `bound`) where 0 to `units` rows differ, each won by a fair coin."""
    counts = np.arange(units + 1)
    p: Numbers = binom.sf(fewest_mid_p_wins(counts, bound) - 1, counts, 0.5)
    return p


def fewest_mid_p_wins(differ: Counts, bound: float) -> Counts:
    """The fewest wins whose mid-p is at most `bound`; one more than there are rows if none is."""
    wins: Counts = np.maximum(binom.isf(bound, differ, 0.5).astype(np.int64) - 2, 0)
    while (short := (wins <= differ) & (mid_p(wins, differ) > bound * (1 + ROUNDING))).any():
        wins = wins + short
    return wins


def _largest(values: Numbers, *, enough: float | None = None) -> float:
    """An upper bound, at most SLACK above it, of the largest E[values[X]], X ~ Binomial(n, share).

    Where only the side of `enough` on which it lies is asked for, a bound or a value on that side.

    As a function of the share this is a polynomial whose coefficients in Bernstein's basis are
    `values`: on any interval it lies within the range of the coefficients there, which halving the
    interval (de Casteljau) brings down on it. Intervals whose bound is no higher than what is
    reached elsewhere are left; so the bound is proven between all grid points.
    """
    intervals, reached, bound = values[None, :], 0.0, 0.0
    while intervals.size:
        reached = max(reached, float(intervals[:, [0, -1]].max()))
        highest = intervals.max(axis=1)
        done = highest <= reached * (1 + SLACK)
        if enough is not None:
            if reached >= enough:
                return reached
            done |= highest < enough
        bound = max(bound, float(highest[done].max(initial=0.0)))
        intervals = _halved(intervals[~done])
    return max(bound, reached)


def _halved(intervals: Numbers) -> Numbers:
    """The Bernstein coefficients on both halves of each interval, (2 * intervals, n + 1)."""
    last = intervals.shape[1] - 1
    left, right, rest = np.empty_like(intervals), np.empty_like(intervals), intervals.copy()
    for step in range(last + 1):
        left[:, step], right[:, last - step] = rest[:, 0], rest[:, -1]
        rest = (rest[:, :-1] + rest[:, 1:]) / 2 if step < last else rest
    return np.concatenate([left, right])
