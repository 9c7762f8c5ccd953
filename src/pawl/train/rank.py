"""`train.rank: auto`: climb 8, 16, 32 … while a larger rank helps on dev beyond noise.

A larger rank is taken only where the dev losses, row by row, are lower by more than LEAST than
under the rank before: a paired sign-flip test (Fisher 1935), one-sided at 5 in 100. Where the
larger rank is no better, so that a row is as likely to lose by it as to win, the climb goes past
the right rank at most 5 times in 100, however many ranks there are: it ends at the first that
fails, and to pass the right one it must pass this one test. The rank kept is the smaller of the
last two.

LEAST is for what rows do not show: another seed would have made another adapter, and many dev rows
tell the luck of a seed apart as well (docs/adr/0012-how-a-rank-is-chosen.md).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import permutation_test

from pawl.core.records import RankTrial
from pawl.train.watch import Curve

FIRST, TOP = 8, 128
LEVEL = 0.05
# The share of the smaller rank's dev loss that a larger one must do better by.
LEAST = 0.03
# Sign flips that are drawn where there are too many units to try all.
FLIPS = 9_999


def ranks(width: int) -> list[int]:
    """The ranks to try, from small to large; none is above the base's `width`."""
    found, rank = [], min(FIRST, width)
    while rank <= min(TOP, width):
        found.append(rank)
        rank *= 2
    return found


def climb(
    ranks: Sequence[int], attempt: Callable[[int], Curve], *, groups: Sequence[str | None]
) -> tuple[int, Curve]:
    """Train at one rank after the other; return the rank to keep, and its curve with all rungs.

    Args:
        ranks: from small to large.
        attempt: trains at a rank.
        groups: the group of each dev row: rows of one group are no independent evidence.
    """
    curves: list[tuple[int, Curve]] = []
    rungs: list[RankTrial] = []
    for rank in ranks:
        found = attempt(rank)
        p = chance(curves[-1][1].dev_losses, found.dev_losses, groups) if curves else None
        kept = p is None or p < LEVEL
        rungs.append(RankTrial(rank, found.train_loss, found.dev_loss, p, kept, found.seconds))
        if not kept:
            break
        curves.append((rank, found))
    rank, best = curves[-1]
    seconds = round(sum(rung.seconds for rung in rungs), 2)
    return rank, dataclasses.replace(best, rungs=tuple(rungs), seconds=seconds)


def chance(
    smaller: Sequence[float], larger: Sequence[float], groups: Sequence[str | None]
) -> float:
    """p: how often losses would fall by so much more than LEAST if a row's sign were a coin's toss.

    Taking LEAST off can but raise p, so that it is never too small. Exact for up to 13 units, else
    from flips that are drawn, seeded, and count what was seen in.

    Args:
        smaller: loss of each row under the smaller rank, in nats.
        larger: that of the same rows under the larger one.
        groups: the group of each row; one without is a unit of its own.
    """
    names = [f"row {i}" if group is None else f"group {group}" for i, group in enumerate(groups)]
    _, unit = np.unique(names, return_inverse=True)
    fall = np.bincount(unit, weights=(1 - LEAST) * np.asarray(smaller) - larger)
    found = permutation_test(
        (fall,),
        np.sum,
        permutation_type="samples",
        alternative="greater",
        n_resamples=FLIPS,
        vectorized=True,
        batch=1000,
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)
