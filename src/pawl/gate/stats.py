"""Statistics over paired rows: is one contender better than another on the same questions?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import binom, permutation_test

# Sign flips drawn where a graded metric has too many rows to try all; the smallest p is 1 / 20,001.
FLIPS = 20_000


def paired_p(candidate: Sequence[float], other: Sequence[float]) -> float:
    """One-sided probability of a gain this large if the two were equally good.

    Pass/fail values (0 and 1) get the exact McNemar test, graded ones the paired sign-flip
    permutation test. Without a single row that differs, the answer is 1.

    Args:
        candidate, other: values of the same rows in the same order.
    """
    a, b = np.asarray(candidate, float), np.asarray(other, float)
    if np.array_equal(a, b):
        return 1.0
    if np.isin(a, (0, 1)).all() and np.isin(b, (0, 1)).all():
        return mcnemar_p(int((a > b).sum()), int((a < b).sum()))
    result = permutation_test(
        (a, b),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        alternative="greater",
        n_resamples=FLIPS,
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return float(result.pvalue)


def mcnemar_p(wins: int, losses: int) -> float:
    """Exact one-sided McNemar test (McNemar 1947): P(at least `wins` of the rows that differ)."""
    return float(binom.sf(wins - 1, wins + losses, 0.5)) if wins + losses else 1.0


def more_rows(wins: int, losses: int, rows: int, *, level: float) -> int | None:
    """How many more rows would settle it if they went on as these did; None if never."""
    if wins <= losses:
        return None
    total = rows
    while mcnemar_p(round(wins * total / rows), round(losses * total / rows)) >= level:
        total = math.ceil(total * 1.05)
    return total - rows


def power(gain: float, rows: int, *, level: float, breaks: float) -> float:
    """Chance that the gate sees a true gain.

    Args:
        gain: true difference in pass rate, in (0, 1].
        rows: gate rows.
        level: what p must fall below.
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
    """The smallest gain, to a tenth of a point, seen with probability `wanted`; None if none."""
    for tenth in range(1, int(1000 * (1 - breaks)) + 1):
        if power(tenth / 1000, rows, level=level, breaks=breaks) >= wanted:
            return tenth / 1000
    return None


def rows_needed(gain: float, *, level: float, breaks: float, wanted: float = 0.8) -> int:
    """Gate rows with which `gain` is seen with probability `wanted` (to about 2 %)."""
    rows = 10
    while power(gain, rows, level=level, breaks=breaks) < wanted:
        rows = math.ceil(rows * 1.02)
    return rows
