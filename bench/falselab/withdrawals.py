"""An attacker who has gate rows withdrawn that speak against him (ADR 38).

He resubmits one candidate, no better than the champion, with one delivery after the other. Rows
that no release vouches for leave the judgement once a delivery contradicts one of them: so he
contradicts whenever what came since the release or the last withdrawal is against him. He knows
every row's result.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from falselab.judging import Judge, placed
from falselab.retrains import NEVER, First
from pawl.core.alpha_budget import AlphaBudget, BudgetHistory, share

# He lets go all that came since the last release, as the rule is; or, for contrast, what the last
# delivery brought, at levels that nothing divides.
ALL, LAST = "withdraws", "withdraws the last delivery"
Counts = NDArray[np.int64]


def withdraw(
    judge: Judge, arrivals: Sequence[int], count: int, *, how: str, churn: float, mercy: float
) -> First:
    """Play `count` sequences; the look of the first promotion.

    Args:
        judge: the policy, and what it is judged with.
        arrivals: the gate rows that a release vouches for, then those that each delivery brings.
        count: the number of sequences.
        how: `ALL` or `LAST`.
        churn: the share of rows that the candidate wins or loses.
        mercy: rows stay while their gain is above so many standard deviations of a delivery's.
    """
    rng, policy, first = judge.rng, judge.policy, np.full(count, NEVER)
    kept = _drawn(rng, arrivals[0], churn, count)
    pending, rows = np.zeros_like(kept), np.zeros(count, dtype=np.int64)
    withdrawals = np.zeros(count, dtype=np.int64)
    for number, new in enumerate(arrivals[1 : policy.looks]):
        last = _drawn(rng, new, churn, count)
        pending, rows = pending + last, rows + new
        (wins, losses), units = kept + pending, arrivals[0] + rows
        priced = withdrawals if how == ALL else np.zeros_like(withdrawals)
        for times in np.unique(priced):
            level = _level(judge, number, int(units.max()), int(times))
            open_ = (first == NEVER) & (priced == times)
            asked, p = judge.worth_judging(wins, losses, level, open_, units=units)
            for i in asked:
                rows_i, won, lost = int(units[i]), int(wins[i]), int(losses[i])
                strong = min(max(round(judge.world.right * rows_i), lost), rows_i - won)
                drawn = placed(judge.world, strong, rows_i, won, lost, rng)
                if judge.verdict(drawn, level=level, p=p[i]).decision == "promote":
                    first[i] = number
        judged = pending if how == ALL else last
        against = judged[0] - judged[1] <= mercy * np.sqrt(new * churn)
        gone = np.where(against, pending if how == ALL else last, 0)
        pending, rows = pending - gone, rows - np.where(against, rows if how == ALL else new, 0)
        withdrawals += against
    return first


def _drawn(rng: np.random.Generator, rows: int, churn: float, count: int) -> Counts:
    """Rows won and rows lost, [2, count]; as many of either on the whole."""
    changed = rng.binomial(rows, churn, count)
    won = rng.binomial(changed, 0.5)
    return np.stack([won, changed - won])


def _level(judge: Judge, number: int, rows: int, withdrawals: int) -> float:
    """The level of the next look, as the ledger charges for it."""
    policy = judge.policy
    budget = AlphaBudget(number + 1, 1, share(policy.alpha, 1), 0.0, 1)
    cost = budget.next(policy, BudgetHistory(1, rows), rows=rows, fresh=0, withdrawals=withdrawals)
    if cost is None:
        raise SystemExit(f"look {number + 2} of {policy.looks} is not paid")
    return cost.level
