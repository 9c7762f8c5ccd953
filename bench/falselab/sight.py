"""What the gate sees of true gains: `decide` on drawn rows beside the exact power."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from falselab.judging import evidence, placed
from falselab.world import World
from pawl.config.judging import Gate
from pawl.core.alpha_budget import level
from pawl.gate.decide import decide
from pawl.gate.power import BREAKS, WANTED, power

ROWS = (300, 1000, 3000)
# A simulation further off than so many standard errors, and this share, is no chance.
ERRORS, SLACK = 5.0, 0.002


@dataclass(frozen=True)
class Seen:
    """How often a true gain was promoted, and how often it should be."""

    gain: float
    rows: int
    level: float
    draws: int
    simulated: float
    exact: float

    @property
    def agrees(self) -> bool:
        # A sum of a thousand chances may end a last bit above 1.
        spread = max(0.0, self.exact * (1 - self.exact) / self.draws) ** 0.5
        return abs(self.simulated - self.exact) <= ERRORS * spread + SLACK


def sight(draws: int, rng: np.random.Generator) -> list[Seen]:
    """The power at the first even level of 20 looks, with `draws` candidates each."""
    policy, world = Gate(), World()
    price = level(policy, 1)
    found = []
    for gain in WANTED:
        for rows in ROWS:
            shares = [gain + BREAKS, BREAKS, 1 - gain - 2 * BREAKS]
            promoted = 0
            for wins, losses, same in rng.multinomial(rows, shares, size=draws):
                strong = losses + rng.binomial(same, world.right)
                drawn = placed(world, strong, rows, wins, losses, rng)
                verdict = decide(evidence(drawn, level=price), policy)
                promoted += verdict.decision == "promote"
            exact = power(gain, rows, level=price, breaks=BREAKS)
            found.append(Seen(gain, rows, price, draws, promoted / draws, exact))
    return found
