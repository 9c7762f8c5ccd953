"""Alpha spending: the cost of a look and the gate rows that it may judge on, as pure functions.

A gate split, identified by its task and salt, pays its looks from one budget after the other. All
budgets of a *task*, whichever gate split opens them, share one alpha: the k-th opened may spend
alpha / (k (k + 1)) in all, which sums to alpha for any number of budgets (1/2 + 1/6 + 1/12 + ... =
1). So neither new budgets nor new salts raise the chance of a false promotion. Within a budget the
union bound holds however dependent its looks are. After the first, a budget opens only on rows
that no look has ever scored, at least as many as the largest look so far, and judges on those.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from pawl.core.files import digest_text
from pawl.core.records import Example, HeldOutRow
from pawl.core.row_identity import row_hashes

# For sums of rounded levels: 20 times 0.05 / 20 is not 0.05 to the last bit.
ROUNDING = 1 + 1e-9


class LookPolicy(Protocol):
    """The part of a gate's policy that a look's cost depends on (`params.yaml`, `gate`)."""

    @property
    def alpha(self) -> float: ...
    @property
    def looks(self) -> int: ...
    @property
    def spending(self) -> Literal["even", "front"]: ...
    @property
    def min_rows(self) -> int: ...


@dataclass(frozen=True)
class LookCost:
    """The cost of one look, as its ledger entry stores it.

    `level` is the bound of p, `alpha` the policy's, `since` the look that opened the budget, `rows`
    the number of gate rows judged.
    """

    level: float
    alpha: float
    since: int
    rows: int


@dataclass(frozen=True)
class BudgetHistory:
    """Of all gate splits of a task: budgets opened, and the rows of the largest look."""

    budgets: int = 0
    rows: int = 0

    def after(self, budget: AlphaBudget, cost: LookCost) -> BudgetHistory:
        """The history after a look of this cost, which left this budget."""
        return BudgetHistory(max(self.budgets, budget.nth), max(self.rows, cost.rows))

    def needed(self, policy: LookPolicy) -> int:
        """Gate rows that the next budget needs; after the first budget, all of them fresh."""
        return max(self.rows, policy.min_rows)


@dataclass(frozen=True)
class AlphaBudget:
    """The present budget of one gate split, which is the task's `nth`.

    `looks` counts all looks of the split, also of its earlier budgets. This one began with look
    number `since` and may spend `alpha`, its share of the policy's, of which `spent` is spent.
    """

    looks: int = 0
    since: int = 1
    alpha: float = 0.0
    spent: float = 0.0
    nth: int = 0

    @property
    def used(self) -> int:
        """Looks paid from the present budget."""
        return self.looks - self.since + 1

    def take(self, cost: LookCost, history: BudgetHistory) -> AlphaBudget | None:
        """The budget after one more look, or None if it cannot pay for it.

        A budget's alpha is fixed by its first look: a later edit of `alpha` or `looks` may change
        the cost of a look, but never lets the sum exceed that alpha.
        """
        number = self.looks + 1
        if cost.rows < 1:
            return None
        if cost.since == number and cost.rows >= history.rows:
            nth = history.budgets + 1
            opened = AlphaBudget(number, number, share(cost.alpha, nth), cost.level, nth)
            return opened if cost.level <= opened.alpha * ROUNDING else None
        spent = self.spent + cost.level
        if cost.since != self.since or not self.looks or spent > self.alpha * ROUNDING:
            return None
        return AlphaBudget(number, self.since, self.alpha, spent, self.nth)

    def next(
        self,
        policy: LookPolicy,
        history: BudgetHistory,
        *,
        rows: int,
        fresh: int,
        withdrawals: int = 0,
    ) -> LookCost | None:
        """The cost of the next look, or None if rows or budget do not suffice for it.

        `rows`: gate rows that the present budget may judge on; `fresh`: those never scored. Where
        rows were withdrawn from the budget, whoever withdrew them could choose which rows judge:
        the level is divided by one more than their number (bench/README.md has what that keeps).
        """
        if self.looks and self.used < policy.looks and rows >= policy.min_rows:
            price = level(policy, self.used + 1, nth=self.nth) / (1 + withdrawals)
            cost = LookCost(price, policy.alpha, self.since, rows)
            if self.take(cost, history):
                return cost
        if fresh >= history.needed(policy):
            price = level(policy, 1, nth=history.budgets + 1)
            return LookCost(price, policy.alpha, self.looks + 1, fresh)
        return None


def share(alpha: float, nth: int) -> float:
    """The alpha of a task's `nth` budget, from 1; all shares sum to alpha."""
    return alpha / (nth * (nth + 1))


def level(policy: LookPolicy, number: int, *, nth: int = 1) -> float:
    """The bound that p must be below in look `number`, from 1, of the task's `nth` budget.

    The levels of a budget sum to its share of alpha. even: share / looks. front:
    share / (number * H), H the harmonic sum 1 + 1/2 + … + 1/looks, so that the first of 20 looks
    gets 5.6 times and the last 0.28 times the even one.
    """
    whole = share(policy.alpha, nth)
    if policy.spending == "even":
        return whole / policy.looks
    return whole / (number * sum(1 / n for n in range(1, policy.looks + 1)))


def gate_split_id(task: str, salt: str) -> str:
    """The id of the gate split that looks are charged to; a new salt makes another split."""
    return f"{task}/{salt}"


def unspent(
    rows: Iterable[Example], held_out: Iterable[HeldOutRow], *, split_id: str, since: int
) -> list[Example]:
    """The gate rows that a look of the budget opened at look `since` may judge on.

    Excluded are rows held out for an earlier budget or another gate split (a new salt gives no new
    looks on old rows), former dev rows, rows that no longer judge, and all but one of rows with the
    same prompt.
    """
    spent = (
        row
        for row in held_out
        if row.lineage != split_id
        or row.look < since
        or row.split == "dev"
        or row.standing in ("withdrawn", "removed")
    )
    return _distinct(rows, spent)


def fresh(rows: Sequence[Example], held_out: Iterable[HeldOutRow]) -> list[Example]:
    """The gate rows that no look has ever scored; one of those with the same prompt."""
    return _distinct(rows, held_out)


def _distinct(rows: Iterable[Example], others: Iterable[HeldOutRow]) -> list[Example]:
    """The rows whose prompt, retyped or not, is neither one of `others` nor of another row here.

    Which of several stays depends on what they say, not on their order: a delivery could else
    choose among the answers of a contradicted prompt.
    """
    seen = {row_hash for row in others for row_hash in row_hashes(row)}
    rows = list(rows)
    kept = []
    for number in sorted(range(len(rows)), key=lambda at: _drawn(rows[at])):
        hashes = row_hashes(rows[number])
        if seen.isdisjoint(hashes):
            kept.append(number)
            seen.update(hashes)
    return [rows[number] for number in sorted(kept)]


def _drawn(row: Example) -> str:
    return digest_text(f"{row.key} {row.completion}")
