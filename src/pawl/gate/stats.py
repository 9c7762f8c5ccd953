"""Statistics over paired rows: sign flips, confidence intervals, gains after a selection.

A *unit* is what varies independently: a row, or all rows of one group. Differences are summed over
each unit, and tests flip the sign of whole units, never of single rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm, t

Numbers = NDArray[np.float64]

# Sign flips drawn if there are too many units to try all.
FLIPS = 20_000
# Up to so many units all 2^n flips are tried.
ALL = 14
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Units:
    """Differences between two contenders by unit: their `sums`, and `sizes` in rows."""

    sums: Numbers
    sizes: Numbers

    @property
    def mean(self) -> float:
        """Mean difference a row."""
        return float(self.sums.sum() / self.sizes.sum())

    @property
    def clustered(self) -> bool:
        return bool((self.sizes > 1).any())


def units(gain: Sequence[float] | Numbers, groups: Sequence[str | None]) -> Units:
    """Sum differences by group; a row without a group is a unit of its own.

    Args:
        gain: a difference a row, above 0 where the candidate is better.
        groups: the group of each row, in the same order.
    """
    names = [f"row {i}" if group is None else f"group {group}" for i, group in enumerate(groups)]
    _, unit = np.unique(names, return_inverse=True)
    sums: Numbers = np.bincount(unit, weights=np.asarray(gain, float)).astype(np.float64)
    return Units(sums, np.bincount(unit).astype(np.float64))


def sign_flip_p(sums: Numbers, *, flips: int = FLIPS) -> float:
    """Paired sign-flip permutation test (Fisher 1935): how often random signs sum as high.

    Exact up to ALL units. Else drawn flips include the observed one, so that p is never too small
    (Phipson & Smyth 2010); the drawing is seeded, so that the same rows get the same p.
    """
    moved = np.abs(sums[sums != 0])
    if not moved.size:
        return 1.0
    # Float sums in another order differ in their last bits: such ties must count as ties.
    observed = sums.sum() - 1e-9 * moved.sum()
    if moved.size <= ALL:
        signs = 1 - 2 * ((np.arange(2**moved.size)[:, None] >> np.arange(moved.size)) & 1)
        return float((signs @ moved >= observed).mean())
    rng, block, hits = np.random.default_rng(0), 1000, 0
    for start in range(0, flips, block):
        count = min(block, flips - start)
        drawn = np.frombuffer(rng.bytes(count * -(-moved.size // 8)), np.uint8).reshape(count, -1)
        plus = np.unpackbits(drawn, axis=1, count=moved.size)
        hits += int((2 * (plus @ moved) - moved.sum() >= observed).sum())
    return (1 + hits) / (1 + flips)


def interval(gain: Units, *, bounded: bool) -> tuple[float, float] | None:
    """A 95 % confidence interval of the mean difference a row, from the spread between units.

    Where differences lie in [-1, 1] a unit won and a unit lost, each of the mean size, are added
    first (Bonett & Price 2012, for pass/fail; Agresti & Min 2005), so that a few rows without any
    difference give no interval of width 0. None for a single unit, which has no spread.
    """
    sums, sizes = gain.sums, gain.sizes
    if sums.size < 2:
        return None
    if bounded:
        size = sizes.mean()
        sums, sizes = np.append(sums, (size, -size)), np.append(sizes, (size, size))
    mean = sums.sum() / sizes.sum()
    spread = np.square(sums - mean * sizes).sum() * sums.size / (sums.size - 1)
    half = t.ppf((1 + CONFIDENCE) / 2, sums.size - 1) * math.sqrt(spread) / sizes.sum()
    low, high = float(mean - half), float(mean + half)
    return (max(low, -1.0), min(high, 1.0)) if bounded else (low, high)


def gain_after_selection(gain: Units, *, bounded: bool, level: float) -> float | None:
    """What a gain comes to once it is allowed for that only gains this clear are reported.

    Of many candidates those pass that were better *and* lucky: the mean of the passing ones
    flatters (the winner's curse). This is the median-unbiased estimate given that a normal score
    passed at `level` (Zhong & Prentice 2008, "Bias-reduced estimators and confidence intervals for
    odds ratios in genome-wide association studies"), between 0 and the mean, by a
    normal approximation that errs a little downwards. None without a spread.
    """
    found = interval(gain, bounded=bounded)
    if found is None or gain.mean <= 0:
        return None
    half = gain.mean - found[0]
    error = half / float(t.ppf((1 + CONFIDENCE) / 2, gain.sums.size - 1))
    if error <= 0:
        return None
    score = gain.mean / error
    # The exact test may pass where the normal score does not: then it stands at the border.
    border = min(float(norm.isf(level)), score)

    def above(true: float) -> float:
        """log of P(a score as high, given that it passes) / (1 / 2) at this true score."""
        return float(norm.logsf(score - true) - norm.logsf(border - true)) - math.log(0.5)

    if above(0.0) >= 0:
        return 0.0
    return min(gain.mean, error * float(brentq(above, 0.0, score + 1)))
