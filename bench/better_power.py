"""How often does a true gain, or none, pass at the level of one look of 20?

    python bench/better_power.py [--draws 400] [--seed 7]

By sign flips alone, which hold for symmetric differences only, and as the gate does it, by each
edition of its rules (`pawl.gate.better`): conditional McNemar for single pass/fail rows in the
first, the unconditional one in the second; graded and grouped gains must hold for any shape of
differences in both.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from pawl.gate.better import better
from pawl.gate.stats import Units, sign_flip_p

LEVEL = 0.0025
LOST = 0.02
EDITIONS = (1, 2)
Draw = Callable[[np.random.Generator], Units]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    print(
        "| differences | true gain | rows | sign flips alone | edition 1 | edition 2 |\n"
        "|---|---:|---:|---:|---:|---:|"
    )
    for name, gain, rows, draw in CASES:
        rng = np.random.default_rng(asked.seed)
        passed = np.zeros(1 + len(EDITIONS))
        for _ in range(asked.draws):
            found = draw(rng)
            if found.mean > 0:
                p = [better(found, level=LEVEL, bounded=True, edition=e)(1.0) for e in EDITIONS]
                passed += np.array([sign_flip_p(found.sums), *p]) < LEVEL
        shares = " | ".join(f"{share:.1%}" for share in passed / asked.draws)
        print(f"| {name} | {gain} points | {rows} | {shares} |", flush=True)


def singles(values: tuple[float, ...], chances: tuple[float, ...], rows: int) -> Draw:
    rest = (*chances, 1 - sum(chances))
    return lambda rng: Units(rng.choice((*values, 0.0), rows, p=rest), np.ones(rows))


def grouped(gain: float, rows: int, size: int) -> Draw:
    """Pass/fail rows that win and lose for themselves, summed over groups of `size`."""
    chances = (gain + LOST, LOST, 1 - gain - 2 * LOST)
    count = rows // size
    return lambda rng: Units(
        rng.choice((1.0, -1.0, 0.0), (count, size), p=chances).sum(axis=1),
        np.full(count, float(size)),
    )


CASES: list[tuple[str, int, int, Draw]] = [
    ("+0.25 on 8 %, -1 on 2 %", 0, 300, singles((0.25, -1.0), (0.08, 0.02), 300)),
    ("+0.1 on 10 %, -1 on 1 %", 0, 300, singles((0.1, -1.0), (0.1, 0.01), 300)),
]
for percent in (5, 8, 10):
    for total in (200, 300, 1000):
        # 15 % of the rows differ, or as many as are won.
        lost = max(0.0, (0.15 - percent / 100) / 2)
        single = singles((1.0, -1.0), (percent / 100 + lost, lost), total)
        CASES.append(("pass/fail, 15 % differ", percent, total, single))
for percent in (5, 10):
    for total in (300, 1000, 3000):
        half = (2 * percent / 100 + LOST, LOST)
        CASES.append(("half a point each", percent, total, singles((0.5, -0.5), half, total)))
        three = grouped(percent / 100, total, 3)
        CASES.append(("pass/fail in groups of 3", percent, total, three))

if __name__ == "__main__":
    main()
