"""What does it cost that graded and grouped gains must hold for any shape of differences?

    python bench/better_power.py [--draws 400] [--seed 7]

How often a true gain, or none, passes at the level of one look of 20: by sign flips alone, which
hold for symmetric differences only, and as the gate does it (`pawl.gate.better`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from pawl.gate.better import better
from pawl.gate.stats import Units, sign_flip_p

LEVEL = 0.0025
LOST = 0.02
Draw = Callable[[np.random.Generator], Units]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    print(
        "| differences | true gain | rows | sign flips alone | the gate |\n"
        "|---|---:|---:|---:|---:|"
    )
    for name, gain, rows, draw in CASES:
        rng = np.random.default_rng(asked.seed)
        flips = gate = 0
        for _ in range(asked.draws):
            found = draw(rng)
            flips += found.mean > 0 and sign_flip_p(found.sums) < LEVEL
            gate += found.mean > 0 and better(found, level=LEVEL, bounded=True)(1.0) < LEVEL
        shares = f"{flips / asked.draws:.1%} | {gate / asked.draws:.1%}"
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
for percent in (5, 10):
    for total in (300, 1000, 3000):
        half = (2 * percent / 100 + LOST, LOST)
        CASES.append(("half a point each", percent, total, singles((0.5, -0.5), half, total)))
        three = grouped(percent / 100, total, 3)
        CASES.append(("pass/fail in groups of 3", percent, total, three))

if __name__ == "__main__":
    main()
