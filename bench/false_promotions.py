"""How often does the gate promote what is no better? And what does it see of what is?

    python bench/false_promotions.py [--sequences 20000] [--seed 7] [--only WORD] [--quick]

20,000 sequences of 20 retrains without a true gain, played through the project's own code:

- rows are dealt by `pawl.data.split`, looks charged and counted by the ledger's rules
  (`falselab.plan`), over data that grows, budgets that are refilled, and new salts;
- candidates win and lose rows of a population, in which they sum to 0 or less, and are picked on
  dev (`falselab.world`, `falselab.retrains`), or made by attackers (`falselab.attacks`);
- `pawl.gate.decide.decide` judges all that come near passing and a sample of the others
  (`falselab.judging`). What counts as a promotion is its word alone.

A sequence counts once, at its first promotion in any look of any budget. Bounds are one-sided 99 %
(Clopper & Pearson 1934). The exit code is 1 if one lies above 5 %, if `decide` disagrees with what
the screen before it expects, or if the power is not the exact one.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass

import numpy as np
from falselab.attacks import attack
from falselab.cases import Case, cases
from falselab.judging import Judge
from falselab.plan import turns
from falselab.retrains import NEVER, in_blocks, retrains
from falselab.sight import sight
from falselab.withdrawals import ALL, LAST, withdraw
from scipy.stats import beta

PROMISED = 0.05
# Hopeless judgements a case that `decide` sees all the same, in expectation.
SAMPLED, DRAWS = 500, 2000
# The everyday test: sequences a case, hopeless judgements, draws of the power.
QUICK, QUICK_SAMPLED, QUICK_DRAWS = 1000, 30, 20


@dataclass(frozen=True)
class Outcome:
    """What a case came to."""

    case: Case
    looks: int
    budgets: int
    sequences: int
    false: int
    judge: Judge
    seconds: float

    @property
    def bound(self) -> float:
        return bound(self.false, self.sequences)

    @property
    def holds(self) -> bool:
        return not self.judge.tally.wrong and (self.bound <= PROMISED or not self.case.promised)

    def __str__(self) -> str:
        tally = self.judge.tally
        return (
            f"| {self.case.name} | {self.looks} in {self.budgets} | {self.sequences:,} "
            f"| {self.false} | {self.false / self.sequences:.2%} | {self.bound:.2%} "
            f"| {tally.decided:,} | {tally.wrong} | {self.seconds:.0f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sequences", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", default="", help="cases whose name holds this word")
    parser.add_argument("--quick", action="store_true", help="a few cases, 1,000 sequences")
    asked = parser.parse_args()
    sequences = min(asked.sequences, QUICK) if asked.quick else asked.sequences
    print(
        "| case | looks in budgets | sequences | promoted falsely | P | 99 % bound | by `decide` "
        "| disagreements | s |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|"
    )
    outcomes = []
    # A case's number seeds it, so that it comes out the same whatever others are played.
    for number, case in enumerate(cases()):
        if asked.only not in case.name or (asked.quick and not case.quick):
            continue
        rng = np.random.default_rng([asked.seed, number])
        sampled = QUICK_SAMPLED if asked.quick else SAMPLED
        outcomes.append(play(case, sequences, sampled, rng))
        print(outcomes[-1], flush=True)
    if not outcomes:
        sys.exit(f"no case's name holds '{asked.only}'")
    bad = [outcome.case.name for outcome in outcomes if not outcome.holds]
    if worst := max((o for o in outcomes if o.case.promised), key=lambda o: o.bound, default=None):
        print(f"\nworst of what is promised: {worst.case.name}, bound {worst.bound:.2%}")
    if not asked.only:
        draws = QUICK_DRAWS if asked.quick else DRAWS
        bad += powers(draws, np.random.default_rng(asked.seed))
    if bad:
        sys.exit("does not hold: " + "; ".join(bad))


def play(case: Case, sequences: int, sampled: int, rng: np.random.Generator) -> Outcome:
    """Play a case's sequences; so many hopeless judgements of all go to `decide` as well."""
    start, count = time.perf_counter(), round(case.share * sequences)
    if case.how in (ALL, LAST):
        return _withdrawn(case, count, sampled, rng)
    looks = turns(case.policy, case.arrivals, case.salts)
    judge = Judge(case.policy, case.world, rng, sampled / (count * len(looks)), case.first)
    if case.how:
        first = in_blocks(count, lambda n: attack(judge, looks, n, how=case.how))
    else:
        first = in_blocks(
            count,
            lambda n: retrains(
                judge, looks, n, churn=case.churn, harm=case.harm, pick_of=case.pick_of
            ),
        )
    false = int((first != NEVER).sum())
    budgets = len({turn.budget for turn in looks})
    return Outcome(case, len(looks), budgets, count, false, judge, time.perf_counter() - start)


def _withdrawn(case: Case, count: int, sampled: int, rng: np.random.Generator) -> Outcome:
    """The outcome of a case whose attacker has rows withdrawn, in the task's first budget."""
    start, looks = time.perf_counter(), case.policy.looks - 1
    judge = Judge(case.policy, case.world, rng, sampled / (count * looks))
    first = withdraw(judge, case.arrivals, count, how=case.how, churn=case.churn, mercy=case.mercy)
    false = int((first != NEVER).sum())
    return Outcome(case, looks, 1, count, false, judge, time.perf_counter() - start)


def powers(draws: int, rng: np.random.Generator) -> list[str]:
    """Print the power table; what does not agree with the exact power."""
    print("\n| true gain | rows | level | draws | promoted by `decide` | exact power |")
    print("|---:|---:|---:|---:|---:|---:|")
    found = sight(draws, rng)
    for s in found:
        print(
            f"| {100 * s.gain:.0f} points | {s.rows:,} | {s.level} | {s.draws:,} "
            f"| {s.simulated:.1%} | {s.exact:.1%} |"
        )
    return [f"power of {s.gain} at {s.rows} rows" for s in found if not s.agrees]


def bound(hits: int, trials: int) -> float:
    """One-sided 99 % upper bound of a rate."""
    return 1.0 if hits == trials else float(beta.ppf(0.99, hits + 1, trials - hits))


if __name__ == "__main__":
    main()
