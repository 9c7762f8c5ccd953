"""Does a judge let through what people would not prefer? And what does it bring beside them?

    python bench/judge.py [--lives 20000] [--seed 7] [--only WORD] [--quick]

20,000 lives of 20 looks each in which people prefer neither: they label some of a look's pairs, a
judge compares all of them, in both orders, and the gate's own functions decide (`judgelab.looks`).
A sample goes through `pawl.gate.decide` whole, which must say the same. A life counts once, at its
first promotion; bounds are one-sided 99 % (Clopper & Pearson 1934). *First look at 5 %* is how
often it passes at that level, *Student's t* how often the judge's part alone would, by a test that
leans on the spread of the same differences. Judges (`judgelab.judges`):

- follow the place in 30 % of what they are asked, or always; toss coins; choose the candidate
  always; name no choice in half of what they are asked;
- choose the longer answer in 60 % of the pairs, where four of five candidates' answers are longer;
- err in 3 % of the pairs, and always for the candidate (also where people tell all pairs apart, and
  label few of many); see what it wins and miss what it loses;
- err together: for one side in a whole look, and in each of its five topics, drawn anew.

The second table has a true gain: how often one look passes at the first of 20 levels, by labels
alone without a judge, and with one that chooses as people do in so many pairs. The exit code is 1
if a bound lies above 5 %, or if `decide` disagrees.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np
from judgelab.judges import JUDGES, right
from judgelab.looks import Looks, drawn, labels_p, passed, student, through_decide
from scipy.stats import beta

from pawl.config import judging
from pawl.config.judging import Gate
from pawl.core.alpha_budget import level

PROMISED, FLOOR, LOOKS = 0.05, judging.Judge.floor, 20
# Of the pairs; and how many looks of a case `decide` sees.
TIES, SAMPLED = 0.2, 40
SELDOM = "wrong in 3 %, always for it"
# Judges whose lives are played with more labels too.
ALSO = ("follows the place in 30 %", "likes length", "misses what it loses", "errs together")
GAINS = {50: 0.45, 100: 0.33, 200: 0.22, 400: 0.16}
AT_ONCE = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lives", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", default="", help="judges whose name holds this word")
    parser.add_argument("--quick", action="store_true", help="1,000 lives with 50 labels")
    asked = parser.parse_args()
    lives = min(asked.lives, 1000) if asked.quick else asked.lives
    print(
        "| judge | labels of pairs | lives | P (any false promotion) | 99 % bound | takes part in "
        "| first look at 5 % | by Student's t | by `decide` | wrong | s |\n"
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    )
    cases = [(name, 50, 300, TIES) for name in JUDGES]
    if not asked.quick:
        cases += [(name, 100, 500, TIES) for name in ALSO] + [(SELDOM, 50, 1500, 0.0)]
    fine = [null(case, lives, asked.seed) for case in cases if asked.only in case[0]]
    if not asked.only:
        power(200 if asked.quick else 4000, np.random.default_rng(asked.seed))
    sys.exit(0 if all(fine) else 1)


def null(case: tuple[str, int, int, float], lives: int, seed: int) -> bool:
    """Play lives without a gain and print their line; whether it is as promised."""
    start, policy, rng = time.perf_counter(), Gate(), np.random.default_rng(seed)
    name, labels, pairs, ties = case
    judge = JUDGES[name]
    false = part = coarse = by_student = wrong = seen = looks = 0
    for first in range(0, lives, AT_ONCE):
        count = min(AT_ONCE, lives - first)
        promoted = np.zeros(count, bool)
        for number in range(1, LOOKS + 1):
            found = drawn(rng, judge, looks=count, labels=labels, pairs=pairs, ties=ties)
            bound = level(policy, number)
            passes, takes = passed(found, bound, floor=FLOOR)
            promoted |= passes
            part, looks = part + int(takes.sum()), looks + count
            if number == 1:
                coarse += int(passed(found, PROMISED, floor=FLOOR)[0].sum())
                by_student += int(student(found, PROMISED).sum())
            if first == 0 and number in (1, LOOKS):
                checked, disagree = compared(found, passes, bound)
                seen, wrong = seen + checked, wrong + disagree
        false += int(promoted.sum())
    upper = float(beta.ppf(0.99, false + 1, lives - false)) if false < lives else 1.0
    print(
        f"| {name} | {labels} of {pairs} | {lives:,} | {false / lives:.2%} | {upper:.2%} "
        f"| {part / looks:.0%} | {coarse / lives:.2%} | {by_student / lives:.2%} | {seen} "
        f"| {wrong} | {time.perf_counter() - start:.0f} |",
        flush=True,
    )
    return upper <= PROMISED and not wrong


def compared(found: Looks, passes: np.ndarray, bound: float) -> tuple[int, int]:
    """How many looks `decide` was shown, those that pass first; in how many it said otherwise."""
    some = np.argsort(~passes, kind="stable")[: SAMPLED // 2]
    verdicts = [through_decide(found, int(n), bound, floor=FLOOR).decision for n in some]
    promoted = [verdict == "promote" for verdict in verdicts]
    return len(some), int((np.array(promoted) != passes[some]).sum())


def power(looks: int, rng: np.random.Generator) -> None:
    """Print how often a true gain passes, by labels alone and with judges of their worth."""
    worth = (0.5, 0.7, 0.8, 0.9, 0.97)
    heads = " | ".join(f"judge right in {share:.0%}" for share in worth)
    print(f"\n| labels of pairs | preferred more often by | labels alone | {heads} |")
    print("|---|---:|---:|" + "---:|" * len(worth))
    bound = level(Gate(), 1)
    for labels, gain in GAINS.items():
        shares = []
        for share in worth:
            found = drawn(
                rng,
                right(share),
                looks=looks,
                labels=labels,
                pairs=5 * labels,
                ties=TIES,
                gain=gain,
            )
            if not shares:
                shares.append((labels_p(found) < bound).mean())
            shares.append(passed(found, bound, floor=FLOOR)[0].mean())
        cells = " | ".join(f"{100 * one:.0f} %" for one in shares)
        print(f"| {labels} of {5 * labels} | {100 * gain:.0f} points | {cells} |", flush=True)


if __name__ == "__main__":
    main()
