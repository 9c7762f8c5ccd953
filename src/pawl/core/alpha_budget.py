"""What a look costs and which rows it may be spent on: pure rules that several rooms share.

A gate split is known by its lineage, the task and the split's salt. A lineage pays its looks from
one budget after the other, and all budgets of a *task*, whichever lineage opens them, share one
alpha: the k-th that is opened may spend alpha / (k (k + 1)) in all, which sums to alpha however
many there are (1/2 + 1/6 + 1/12 + ... = 1). So neither refills nor new salts buy luck. Within a
budget the union bound holds however alike its looks are. After the first, a budget opens only on
as many rows that no look has ever scored as the largest look so far judged, and judges on those.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from pawl.core.records import Example, HeldOutRow
from pawl.core.row_identity import row_hashes

# Levels are sums of rounded numbers: 20 times 0.05 / 20 is not 0.05 to the last bit.
ROUNDING = 1 + 1e-9


class LookPolicy(Protocol):
    """What of a gate's policy decides the price of a look (`params.yaml`, section `gate`)."""

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
    """What one look costs, as its ledger entry says.

    `level` is what p must fall below, `alpha` the policy's at that time, `since` the look that
    opened the budget, `rows` the gate rows that the budget judges on at this look.
    """

    level: float
    alpha: float
    since: int
    rows: int


@dataclass(frozen=True)
class BudgetHistory:
    """What all lineages of a task have come to: budgets opened, rows of the largest look."""

    budgets: int = 0
    rows: int = 0

    def after(self, budget: AlphaBudget, charge: LookCost) -> BudgetHistory:
        """The life after a look that left this budget."""
        return BudgetHistory(max(self.budgets, budget.nth), max(self.rows, charge.rows))

    def needed(self, policy: LookPolicy) -> int:
        """Gate rows that open the next budget; after the first budget, all of them fresh."""
        return max(self.rows, policy.min_rows)


@dataclass(frozen=True)
class AlphaBudget:
    """What the looks of one lineage have come to.

    `looks` counts all of them; the other numbers are those of the present budget, the task's
    `nth`, which began with the look `since` and may spend `alpha`, its share of the policy's.
    """

    looks: int = 0
    since: int = 1
    alpha: float = 0.0
    spent: float = 0.0
    nth: int = 0

    @property
    def used(self) -> int:
        """Looks that the present budget has paid for."""
        return self.looks - self.since + 1

    def take(self, charge: LookCost, life: BudgetHistory) -> AlphaBudget | None:
        """The budget after one more look, None if it cannot pay for it.

        What the first look of a budget promised stands: a later edit of `alpha` or `looks` may
        make looks cheaper or dearer, but never more of them than that alpha pays for.
        """
        number = self.looks + 1
        if charge.rows < 1:
            return None
        if charge.since == number and charge.rows >= life.rows:
            nth = life.budgets + 1
            opened = AlphaBudget(number, number, share(charge.alpha, nth), charge.level, nth)
            return opened if charge.level <= opened.alpha * ROUNDING else None
        spent = self.spent + charge.level
        if charge.since != self.since or not self.looks or spent > self.alpha * ROUNDING:
            return None
        return AlphaBudget(number, self.since, self.alpha, spent, self.nth)

    def next(
        self, policy: LookPolicy, life: BudgetHistory, *, rows: int, fresh: int
    ) -> LookCost | None:
        """The charge of the next look, None if too few rows or no budget are there to pay it.

        Args:
            policy: the gate's policy as it is now.
            life: what all lineages of the task have come to.
            rows: gate rows that the present budget may judge on.
            fresh: gate rows that no look has ever scored.
        """
        if self.looks and self.used < policy.looks and rows >= policy.min_rows:
            price = level(policy, self.used + 1, nth=self.nth)
            charge = LookCost(price, policy.alpha, self.since, rows)
            if self.take(charge, life):
                return charge
        if fresh >= life.needed(policy):
            price = level(policy, 1, nth=life.budgets + 1)
            return LookCost(price, policy.alpha, self.looks + 1, fresh)
        return None


def share(alpha: float, nth: int) -> float:
    """What the `nth` budget of a task, from 1, may spend in all; all shares sum to alpha."""
    return alpha / (nth * (nth + 1))


def level(policy: LookPolicy, number: int, *, nth: int = 1) -> float:
    """What p must fall below in look `number`, from 1, of the task's `nth` budget.

    The levels of a budget sum to its share of alpha. even: share / looks. front:
    share / (number * H), H the harmonic sum 1 + 1/2 + … + 1/looks, so that the first of 20 looks
    gets 5.6 times and the last 0.28 times the even one.
    """
    whole = share(policy.alpha, nth)
    if policy.spending == "even":
        return whole / policy.looks
    return whole / (number * sum(1 / n for n in range(1, policy.looks + 1)))


def gate_split_id(task: str, salt: str) -> str:
    """The name of the gate split that looks are charged to; a new salt deals out other rows."""
    return f"{task}/{salt}"


def unspent(
    rows: Iterable[Example], known: Iterable[HeldOutRow], *, lineage: str, since: int
) -> list[Example]:
    """The gate rows that a look of this budget may judge on.

    Left out are rows that an earlier budget or another lineage had held out (a new salt earns no
    new looks on old rows), rows that were dev rows, which anybody may have looked at, and all but
    the first of rows that ask the same: a file copied ten times is no more evidence than once.
    """
    spent = (
        row for row in known if row.lineage != lineage or row.look < since or row.split == "dev"
    )
    return _unlike(rows, spent)


def fresh(rows: Sequence[Example], known: Iterable[HeldOutRow]) -> list[Example]:
    """The gate rows that no look has ever scored, of rows that ask the same the first."""
    return _unlike(rows, known)


def _unlike(rows: Iterable[Example], others: Iterable[HeldOutRow]) -> list[Example]:
    """The rows that are none of the others nor an earlier one of themselves, retyped or not."""
    barred = {found for row in others for found in row_hashes(row)}
    kept = []
    for row in rows:
        mine = row_hashes(row)
        if barred.isdisjoint(mine):
            kept.append(row)
            barred.update(mine)
    return kept
