"""`train.rank: auto`: try 8, 16, 32 … while a larger rank improves dev loss beyond noise.

A larger rank is accepted only if its dev losses, row by row, are lower than the smaller rank's by
more than the share LEAST: a paired sign-flip test (Fisher 1935), one-sided at 5 in 100. If the
larger rank is no better, so that a row is as likely to get worse as better, the search goes past
the right rank at most 5 times in 100, however many ranks there are: it ends at the first that
fails, and to pass the right one it must pass this one test. The smaller of the last two is chosen.

LEAST allows for what rows do not show: another seed would have given another adapter, and many dev
rows would detect that difference too (docs/adr/0012-how-a-rank-is-chosen.md).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import permutation_test

from pawl.core.records import RankTrial, Training

FIRST, TOP = 8, 128
LEVEL = 0.05
# The share of the smaller rank's dev loss by which a larger one must be better.
LEAST = 0.03
# Sign flips drawn if there are too many units to try all.
FLIPS = 9_999


def ranks(width: int) -> list[int]:
    """The ranks to try, ascending; none is above the base's `width`."""
    tried, rank = [], min(FIRST, width)
    while rank <= min(TOP, width):
        tried.append(rank)
        rank *= 2
    return tried


def search_rank(
    ranks: Sequence[int], attempt: Callable[[int], Training], *, groups: Sequence[str | None]
) -> tuple[int, Training]:
    """Train at one rank after the other; return the rank chosen, and its training with all trials.

    Args:
        ranks: ascending.
        attempt: trains at a rank.
        groups: the group of each dev row, or None: rows of one group are not independent.
    """
    accepted: list[tuple[int, Training]] = []
    trials: list[RankTrial] = []
    for rank in ranks:
        new = attempt(rank)
        p = p_value(accepted[-1][1].dev_losses, new.dev_losses, groups) if accepted else None
        better = p is None or p < LEVEL
        trials.append(RankTrial(rank, new.train_loss, new.dev_loss, p, better, new.seconds))
        if not better:
            break
        accepted.append((rank, new))
    rank, best = accepted[-1]
    seconds = round(sum(trial.seconds for trial in trials), 2)
    return rank, dataclasses.replace(best, rungs=tuple(trials), seconds=seconds)


def p_value(
    smaller: Sequence[float], larger: Sequence[float], groups: Sequence[str | None]
) -> float:
    """One-sided p of H0: the larger rank lowers losses by no more than the share LEAST.

    A sign-flip test. Subtracting LEAST can only raise p, so that it is never too small. Exact for
    up to 13 units, else from drawn flips, which are seeded and include the observed one.

    Args:
        smaller: loss of each row under the smaller rank, in nats.
        larger: loss of the same rows under the larger rank.
        groups: the group of each row; a row without one is a unit of its own.
    """
    names = [f"row {i}" if group is None else f"group {group}" for i, group in enumerate(groups)]
    _, unit = np.unique(names, return_inverse=True)
    fall = np.bincount(unit, weights=(1 - LEAST) * np.asarray(smaller) - larger)
    result = permutation_test(
        (fall,),
        np.sum,
        permutation_type="samples",
        alternative="greater",
        n_resamples=FLIPS,
        vectorized=True,
        batch=1000,
        rng=np.random.default_rng(0),
    )
    return float(result.pvalue)
