"""What does the screen on dev bring: true promotions over a life of 20 cycles, and looks.

    python bench/screening.py [--lives 4000] [--seed 1]

A cycle's candidate is truly better with some chance, else worse by |N(0, 2 points)|; 4 % of the
rows are won and 4 % lost beside. Each is judged at the level of its look (`pawl.core.alpha_budget`)
by the unconditional McNemar test. Played are tasks without a screen, with even levels as by default
and with front-loaded ones, and front-loaded ones behind screens of dev. *Bought* are looks.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from pawl.config.judging import Gate
from pawl.core.alpha_budget import level
from pawl.gate.mcnemar import fewest_wins, mid_p

CYCLES, CHURN, HARM = 20, 0.04, 0.02
POLICIES = {
    "even, no screen": Gate(),
    "front, no screen": Gate(spending="front"),
    "front, screen 0.15": Gate(spending="front", screen=0.15),
    "front, screen 0.3": Gate(spending="front", screen=0.3),
}
Counts = NDArray[np.int64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lives", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print(f"| gate rows | dev rows | better | by | {' | '.join(POLICIES)} |")
    print("|---:|---:|---:|---:|" + "---:|" * len(POLICIES))
    for gate, dev in ((200, 80), (300, 120), (300, 300), (1000, 400)):
        for chance, gain in ((0.2, 0.05), (0.3, 0.08)):
            found = []
            for policy in POLICIES.values():
                rng = np.random.default_rng(asked.seed)
                promoted, looks = life(policy, gate, dev, chance, gain, asked.lives, rng)
                found.append(f"{promoted:.2f} for {looks:.1f} bought")
            shares = f"{chance:.0%} | {100 * gain:.0f} points"
            print(f"| {gate} | {dev} | {shares} | {' | '.join(found)} |", flush=True)


def life(
    policy: Gate,
    gate: int,
    dev: int,
    chance: float,
    gain: float,
    lives: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """True promotions and looks of a life, on average."""
    need = np.stack([fewest_wins(gate, level(policy, n + 1)) for n in range(policy.looks)])
    promoted, looks = np.zeros(lives), np.zeros(lives, dtype=np.int64)
    for _ in range(CYCLES):
        good = rng.random(lives) < chance
        true = np.where(good, gain, -np.abs(rng.normal(0, HARM, lives)))
        open_ = looks < policy.looks
        # Drawn in any case: all policies see the same candidates.
        (dev_won, dev_lost), (won, lost) = drawn(true, dev, rng), drawn(true, gate, rng)
        if policy.screen is not None:
            p = mid_p(dev_won, dev_won + dev_lost)
            open_ &= (p <= policy.screen) & (dev_won > dev_lost)
        passes = won >= need[np.minimum(looks, policy.looks - 1), won + lost]
        promoted += open_ & passes & good
        looks += open_
    return float(promoted.mean()), float(looks.mean())


def drawn(true: NDArray[np.float64], rows: int, rng: np.random.Generator) -> tuple[Counts, Counts]:
    """Rows won and lost of so many, at these true gains."""
    win, lose = np.maximum(true, 0) + CHURN, np.maximum(-true, 0) + CHURN
    won = rng.binomial(rows, win)
    return won, rng.binomial(rows - won, lose / (1 - win))


if __name__ == "__main__":
    main()
