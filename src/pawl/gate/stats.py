"""Statistics over paired rows: p-values, confidence intervals and power.

A *unit* is what varies independently: a row, or all rows of one group. Differences are summed over
each unit, and tests flip the sign of whole units, never of single rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, t

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


def mcnemar_p(wins: int, losses: int) -> float:
    """Exact one-sided McNemar test (McNemar 1947): P(at least `wins` of the rows that differ)."""
    return float(mcnemar(np.asarray(wins), np.asarray(losses)))


def mcnemar(wins: NDArray[np.int64], losses: NDArray[np.int64]) -> Numbers:
    """`mcnemar_p` of many pairs of counts at once; 1 where no row differs."""
    p: Numbers = np.where(wins + losses > 0, binom.sf(wins - 1, wins + losses, 0.5), 1.0)
    return p


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


def power(gain: float, rows: int, *, level: float, breaks: float) -> float:
    """Probability that the exact McNemar test detects a true gain.

    Args:
        gain: true difference in pass rate, in (0, 1].
        rows: gate rows.
        level: p must be below it.
        breaks: share of rows that the candidate newly gets wrong; it then newly gets
            `gain + breaks` right.
    """
    differ = min(gain + 2 * breaks, 1.0)
    share = (gain + breaks) / (gain + 2 * breaks)
    counts = np.arange(rows + 1)
    # The fewest wins among n differing rows that reject: isf may be off by one at ties.
    need = binom.isf(level, counts, 0.5).astype(int) + 1
    return float((binom.pmf(counts, rows, differ) * binom.sf(need - 1, counts, share)).sum())


def smallest_gain(rows: int, *, level: float, breaks: float, wanted: float = 0.8) -> float | None:
    """The smallest gain, to a tenth of a point, detected with power `wanted`; None if none is."""
    for tenth in range(1, int(1000 * (1 - breaks)) + 1):
        if power(tenth / 1000, rows, level=level, breaks=breaks) >= wanted:
            return tenth / 1000
    return None


def rows_needed(gain: float, *, level: float, breaks: float, wanted: float = 0.8) -> int:
    """Gate rows that detect `gain` with power `wanted` (to about 2 %)."""
    rows = 10
    while power(gain, rows, level=level, breaks=breaks) < wanted:
        rows = math.ceil(rows * 1.02)
    return rows
