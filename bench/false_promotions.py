"""How often does the gate promote what is no better? And what does it see of what is?

    python bench/false_promotions.py [--sequences 20000] [--seed 7]

20,000 sequences of 20 retrains, every candidate exactly as good as the champion: the hardest case
of "no true gain". What is simulated is rows; what judges them is the project's own code, on many
sequences at once:

- `pawl.budget.Budget.next` offers every look with its level, `pawl.registry.ledger.fold` counts it;
- `pawl.gate.stats.mcnemar` is the test that `decide` uses for pass/fail rows, held below the level;
- `pawl.gate.decide.decide` itself judges a sample of the same rows, and must say the same.

A row's champion answer is right with probability RIGHT. A candidate newly breaks BREAKS of all
rows and newly gets as many right, so that its true rate is the champion's, while a champion that
was lucky on the gate rows looks better than it is, in all looks. After a promotion the sequence is
counted as false and ends: the champion would be another then. The bound is Clopper-Pearson's.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from pawl.budget import Budget, Charge
from pawl.files import digest_json
from pawl.gate.decide import decide
from pawl.gate.evidence import Evidence
from pawl.gate.plan import BREAKS
from pawl.gate.stats import mcnemar, power
from pawl.params import Gate
from pawl.records import Champion, EvalReport, Look, Score
from pawl.registry.ledger import Entry, fold

ROUNDS = 20
RIGHT = 0.7
LINEAGE = "bench/salt"
Bits = NDArray[np.bool_]


@dataclass(frozen=True)
class Case:
    """One scenario; `rows` are the gate rows known at each round, `fresh` those never scored."""

    name: str
    policy: Gate
    rows: Callable[[int], int]
    pick_of: int = 1
    climb: str = ""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sequences", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    checked = agreement(np.random.default_rng(asked.seed))
    print(f"decide() agrees with the vectorised rule on {checked} of {checked} drawn judgements\n")
    print(
        "| case | looks | promoted falsely | P | 99 % upper bound | worst gate split, bound | s |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    for case in CASES:
        start = time.perf_counter()
        first = run(case, asked.sequences, np.random.default_rng(asked.seed))
        false = int((first >= 0).sum())
        # The life of one gate split is one budget: its looks, on its own rows.
        budgets = np.array([charge.since for charge in charges(case)])
        lives = [int(np.isin(first, np.flatnonzero(budgets == b)).sum()) for b in set(budgets)]
        print(
            f"| {case.name} | {len(budgets)} | {false} of {asked.sequences} "
            f"| {false / asked.sequences:.2%} | {bound(false, asked.sequences):.2%} "
            f"| {bound(max(lives), asked.sequences):.2%} | {time.perf_counter() - start:.0f} |"
        )
    print("\n| gain | rows | level | power, simulated | power, exact |\n|---:|---:|---:|---:|---:|")
    rng = np.random.default_rng(asked.seed)
    for gain in (0.02, 0.05, 0.10):
        for rows in (300, 1000, 3000):
            seen = promoted(rng, gain, rows, 0.0025, asked.sequences).mean()
            exact = power(gain, rows, level=0.0025, breaks=BREAKS)
            print(f"| {100 * gain:.0f} points | {rows} | 0.0025 | {seen:.1%} | {exact:.1%} |")


def charges(case: Case) -> list[Charge]:
    """The looks that the ledger's own fold counts, round by round; a blocked round has none."""
    entries: list[Entry] = []
    for number in range(1, ROUNDS + 1):
        budget = fold(entries).budgets.get(LINEAGE, Budget())
        before = case.rows(number - 2) if number > 1 else 0
        old = case.rows(budget.since - 2) if budget.since > 1 else 0
        rows = case.rows(number - 1)
        charge = budget.next(case.policy, rows=rows - old, fresh=rows - before)
        if charge is None:
            continue
        details = {"lineage": LINEAGE, "question": f"{number}", "of": 1, **asdict(charge)}
        none = Champion()
        entries.append(Entry(number, f"{number}", "look", none, None, "", "", "", details=details))
    counted = fold(entries).looks[LINEAGE]
    return [
        Charge(**{k: e.details[k] for k in ("level", "alpha", "since", "rows")}) for e in counted
    ]


def run(case: Case, sequences: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The look at which each sequence first promoted, -1 where it never did."""
    looks = charges(case)
    size = max(case.rows(n) for n in range(ROUNDS))
    first = np.full(sequences, -1)
    # In blocks: rows are drawn one by one, and 20,000 times 1,000 of them are 20 MB.
    for start in range(0, sequences, 2000):
        count = min(2000, sequences - start)
        first[start : start + count] = _block(case, looks, size, count, rng)
    return first


def _block(
    case: Case, looks: list[Charge], size: int, count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    champion = rng.random((count, size)) < RIGHT
    base, score = champion.copy(), np.full(count, -np.inf)
    first = np.full(count, -1)
    for number, charge in enumerate(looks):
        low = case.rows(charge.since - 2) if charge.since > 1 else 0
        high = low + charge.rows
        candidate = _next(case, base, champion, rng)
        gained, kept = candidate[:, low:high] & ~champion[:, low:high], champion[:, low:high]
        wins, losses = gained.sum(axis=1), (kept & ~candidate[:, low:high]).sum(axis=1)
        passed = (mcnemar(wins, losses) < charge.level) & (wins > losses)
        first = np.where((first < 0) & passed, number, first)
        if case.climb:
            # What is disclosed decides what the attacker builds on next: in sealed mode pass or
            # fail and the failing rule alone, in full mode the score.
            told = (wins - losses) if case.climb == "full" else passed.astype(float)
            better = told > score
            score = np.where(better, told, score)
            base = np.where(better[:, None], candidate, base)
    return first


def _next(case: Case, base: Bits, champion: Bits, rng: np.random.Generator) -> Bits:
    """A candidate of the champion's own true rate; `pick_of` of them are compared on dev first."""
    if case.climb:
        return _changed(base, rng)
    if case.pick_of == 1:
        return _changed(champion, rng)
    # All are equally good; dev picks the luckiest, on rows that the gate does not share.
    dev_luck = rng.binomial(80, RIGHT, (case.pick_of, len(champion)))
    best = dev_luck.argmax(axis=0)
    drawn = np.empty_like(champion)
    for one in range(case.pick_of):
        mine = best == one
        drawn[mine] = _changed(champion[mine], rng)
    return drawn


def _changed(answers: Bits, rng: np.random.Generator) -> Bits:
    """Answers of a variant: as many rows broken as mended in the long run, so no true gain."""
    chance = np.where(answers, BREAKS / RIGHT, BREAKS / (1 - RIGHT))
    return answers ^ (rng.random(answers.shape) < chance)


def promoted(
    rng: np.random.Generator, gain: float, rows: int, level: float, count: int
) -> NDArray[np.bool_]:
    """Whether each of `count` candidates with this true gain is seen."""
    differ = [gain + BREAKS, BREAKS, 1 - gain - 2 * BREAKS]
    wins, losses, _ = rng.multinomial(rows, differ, size=count).T
    return (mcnemar(wins, losses) < level) & (wins > losses)


def agreement(rng: np.random.Generator, count: int = 300, rows: int = 100) -> int:
    """Judge drawn rows with `decide` and with the vectorised rule; they must say the same."""
    policy = Gate(min_rows=1)
    for _ in range(count):
        champion = rng.random(rows) < RIGHT
        candidate = champion | (rng.random(rows) < rng.choice([0.0, 0.1, 0.3]))
        candidate = _changed(candidate, rng)
        wins, losses = int((candidate & ~champion).sum()), int((champion & ~candidate).sum())
        rule = bool(mcnemar(np.array(wins), np.array(losses)) < 0.0025 and wins > losses)
        answers = {"candidate": candidate, "champion": champion, "zero-shot": [False] * rows}
        assert (decide(evidence(answers), policy).decision == "promote") == rule
    return count


def evidence(answers: dict[str, Bits]) -> Evidence:
    scores = tuple(
        Score(f"{i:04}", f"{i}", name, "gate", "", {"exact_match": float(v)})
        for name, values in answers.items()
        for i, v in enumerate(values)
    )
    size = len(answers["candidate"])
    ids = digest_json([f"{i:04}" for i in range(size)])
    look = Look(1, 20, "q", 0.0025)
    report = EvalReport("t", "b", "c", Champion(1, "d"), look, ids, 0, (), {}, "s")
    return Evidence(report, scores, {"gate": size}, "b")


def bound(hits: int, trials: int) -> float:
    """One-sided 99 % upper bound of a rate (Clopper & Pearson 1934)."""
    return 1.0 if hits == trials else float(beta.ppf(0.99, hits + 1, trials - hits))


def _const(rows: int) -> Callable[[int], int]:
    return lambda _: rows


EVEN, FRONT = Gate(), Gate(spending="front")
# Ten looks, then 300 fresh rows open the second budget at the eleventh round.
REFILL = Gate(looks=10)
CASES = (
    Case("one candidate a round, 300 rows", EVEN, _const(300)),
    Case("one candidate a round, 1,000 rows", EVEN, _const(1000)),
    Case("front-loaded levels, 1,000 rows", FRONT, _const(1000)),
    Case("best of ten picked on dev, 300 rows", EVEN, _const(300), pick_of=10),
    Case("data grows: 300 rows and 50 more a round", EVEN, lambda n: 300 + 50 * n),
    Case(
        "refill: 10 looks at 300 rows, 10 at 300 fresh ones", REFILL, lambda n: 300 + 300 * (n > 9)
    ),
    Case("sealed, hill-climbing attacker, 300 rows", EVEN, _const(300), climb="sealed"),
    Case("sealed, attacker, front-loaded, 300 rows", FRONT, _const(300), climb="sealed"),
    Case("for contrast: full disclosure, attacker climbs", EVEN, _const(300), climb="full"),
)

if __name__ == "__main__":
    main()
