"""Is the candidate preferred, by a judge on all pairs, corrected by people's labels of some?

Prediction-powered inference (Angelopoulos et al. 2023) with a test that holds for any number of
labels. The labelled pairs are a random part of the look's. Each is dealt a share of the others, and
has the difference

    people - weight * (judge - mean of the judge in its share)

Its expectation is that of people alone, whatever the judge is: where it is biased for a side, a
length or a place, or says anything, the bracket has the expectation 0. What a good judge takes away
is spread. Weight and bets follow from the pairs before, and no bet makes a stake grow on average if
the candidate is not preferred, so that it ever reaches 1 / p with probability p at most (Ville
1939; Waudby-Smith & Ramdas 2024, "Estimating means of bounded random variables by betting").
Student's t would pass a judge that errs seldom and to one side: 50 labels may not show it.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import beta

from pawl.gate.stats import Numbers

# What is believed before the first pair, as of so many pairs: a judge worth half a weight, and
# differences that vary by so much.
BEFORE, WEIGHT, SPREAD = 4, 0.5, 0.5
# The largest part of a stake that one pair may lose.
MOST = 0.9


def dealt(others: Numbers, count: int) -> tuple[Numbers, Numbers]:
    """Means and sizes of the shares of `others` that so many labelled pairs are dealt, in turn.

    `others` is how a judge leans in the unlabelled pairs, in random order. Leading axes, here and
    below, are studies of their own.
    """
    shares = [others[..., first::count] for first in range(count)]
    means = [share.mean(-1) if share.shape[-1] else np.zeros(share.shape[:-1]) for share in shares]
    return np.stack(means, axis=-1), np.array([share.shape[-1] for share in shares], float)


def corrected(
    people: Numbers, judge: Numbers, means: Numbers, sizes: Numbers, *, level: float
) -> tuple[Numbers, Numbers]:
    """One-sided p of H0: the candidate is not preferred; and the mean difference, in [-1, 1].

    Args:
        people: of each labelled pair, in random order: 1 where the candidate is preferred, -1 where
            the other is, 0 for a tie.
        judge: how the judge leans there, in [-1, 1].
        means: how it leans in their shares (`dealt`), whose `sizes` may be 0.
        level: what p is compared with; the bets are made for it.
    """
    count, shape = people.shape[-1], people.shape[:-1]
    stakes, grown, most = math.log(1 / level), np.zeros(shape), np.zeros(shape)
    total = np.zeros(shape)
    mean_people, mean_judge, mean = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    varied = np.full(shape, BEFORE * SPREAD)
    together, spread = WEIGHT * varied, np.full(shape, BEFORE * SPREAD)
    for n in range(count):
        weight = np.clip(together / varied, 0, 1) * sizes[n] / (sizes[n] + 1)
        difference = people[..., n] - weight * (judge[..., n] - means[..., n])
        bet = np.sqrt(2 * stakes / count / (spread / (n + BEFORE)))
        grown = grown + np.log1p(np.minimum(bet, MOST / (1 + 2 * weight)) * difference)
        most, total = np.maximum(most, grown), total + difference
        # Running means and sums of squares (Welford 1962).
        off_judge, off = judge[..., n] - mean_judge, difference - mean
        mean_people = mean_people + (people[..., n] - mean_people) / (n + 1)
        mean_judge, mean = mean_judge + off_judge / (n + 1), mean + off / (n + 1)
        varied = varied + off_judge * (judge[..., n] - mean_judge)
        together = together + off_judge * (people[..., n] - mean_people)
        spread = spread + off * (difference - mean)
    return np.exp(-most), np.clip(total / count, -1, 1)


def agreement(people: Numbers, judge: Numbers) -> tuple[Numbers, Numbers]:
    """In how many of the pairs that people told apart the judge chose as they did, and the lower
    end of that share with 95 % confidence (Clopper & Pearson 1934).

    A pair in which the judge leans nowhere counts half, so that a coin has a half.
    """
    told = (people != 0).sum(-1)
    agreed = ((1 + np.sign(judge) * people) / 2 * (people != 0)).sum(-1)
    least = beta.ppf(0.05, np.maximum(agreed, 0.5), told - agreed + 1)
    return agreed, np.where(agreed > 0, least, 0.0)
