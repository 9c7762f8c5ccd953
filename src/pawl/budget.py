"""What a look costs and which rows it may be spent on: pure rules that several rooms share.

A gate split is known by its lineage, the task and the split's salt. Its looks share one alpha
(Bonferroni over all of them). When that is spent, only rows that no look has ever scored open
another budget, which judges on those rows alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pawl.params import Gate
from pawl.records import Example, KnownRow

# Levels are sums of rounded numbers: 20 times 0.05 / 20 is not 0.05 to the last bit.
ROUNDING = 1 + 1e-9


@dataclass(frozen=True)
class Charge:
    """What one look costs, as its ledger entry says.

    `level` is what p must fall below, `alpha` the policy's at that time, `since` the look that
    opened the budget, `rows` the gate rows that the budget judges on at this look.
    """

    level: float
    alpha: float
    since: int
    rows: int


@dataclass(frozen=True)
class Budget:
    """What the looks of one lineage have come to.

    `looks` counts all of them; the other numbers are those of the present budget, which began
    with the look `since` on `rows` rows and may spend `alpha`.
    """

    looks: int = 0
    since: int = 1
    alpha: float = 0.0
    spent: float = 0.0
    rows: int = 0

    @property
    def used(self) -> int:
        """Looks that the present budget has paid for."""
        return self.looks - self.since + 1

    def take(self, charge: Charge) -> Budget | None:
        """The budget after one more look, None if it cannot pay for it.

        What the first look of a budget promised stands: a later edit of `alpha` or `looks` may
        make looks cheaper or dearer, but never more of them than that alpha pays for.
        """
        number = self.looks + 1
        if charge.since == number and charge.rows >= self.rows:
            opened = Budget(number, number, charge.alpha, charge.level, charge.rows)
            return opened if charge.level <= charge.alpha * ROUNDING else None
        spent = self.spent + charge.level
        if charge.since != self.since or not self.looks or spent > self.alpha * ROUNDING:
            return None
        return Budget(number, self.since, self.alpha, spent, self.rows)

    def next(self, policy: Gate, *, rows: int, fresh: int) -> Charge | None:
        """The charge of the next look, None if the budget is used up and no new one is earned.

        Args:
            policy: the gate's policy as it is now.
            rows: gate rows that the present budget may judge on.
            fresh: gate rows that no look has ever scored.
        """
        if self.used < policy.looks:
            since = self.since if self.looks else 1
            charge = Charge(level(policy, self.used + 1), policy.alpha, since, rows)
            if self.take(charge):
                return charge
        if self.looks and fresh >= self.needed(policy):
            return Charge(level(policy, 1), policy.alpha, self.looks + 1, fresh)
        return None

    def needed(self, policy: Gate) -> int:
        """Fresh gate rows that open the next budget: as many as the present one began with."""
        return max(self.rows, policy.min_rows)


def level(policy: Gate, number: int) -> float:
    """What p must fall below in a budget's look `number`, from 1; all levels sum to alpha.

    even: alpha / looks. front: alpha / (number * H), H the harmonic sum 1 + 1/2 + … + 1/looks, so
    that the first of 20 looks gets 5.6 times and the last 0.28 times the even share.
    """
    if policy.spending == "even":
        return policy.alpha / policy.looks
    return policy.alpha / (number * sum(1 / n for n in range(1, policy.looks + 1)))


def lineage(task: str, salt: str) -> str:
    """The name of the gate split that looks are charged to; a new salt deals out other rows."""
    return f"{task}/{salt}"


def unspent(
    rows: Iterable[Example], known: Iterable[KnownRow], *, lineage: str, since: int
) -> list[Example]:
    """The gate rows that a look of this budget may judge on.

    Left out are rows that an earlier budget or another lineage had held out (a new salt earns no
    new looks on old rows), and rows that were dev rows, which anybody may have looked at.
    """
    spent = {
        row.key for row in known if row.lineage != lineage or row.look < since or row.split == "dev"
    }
    return [row for row in rows if row.key not in spent]


def fresh(rows: Sequence[Example], known: Iterable[KnownRow]) -> list[Example]:
    """The gate rows that no look has ever scored."""
    seen = {row.key for row in known}
    return [row for row in rows if row.key not in seen]
