"""A population of rows, and retrains that are truly no better on it.

Candidates are sets of rows: those that one newly gets right and those that it newly gets wrong,
over a population of which dev and gate rows are a part. Their sum over the population is 0 or
less, exactly; what a split shows of it is luck. Rows come in units, groups that stand or fall
together: a *weak* unit is one that the champion does badly and can only be won, a *strong* one can
only be lost.

Sets are drawn as counts: how many won units fall into the judged ones among the population's is
hypergeometric, which is what drawing them one by one comes to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

POPULATION = 100_000
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class World:
    """The kind of rows.

    A won unit gains `win` in each of its `small` rows, a lost one loses `loss` in each of its
    `large` rows; `right` is the share of strong units.
    """

    metric: str = "exact_match"
    win: float = 1.0
    loss: float = 1.0
    small: int = 1
    large: int = 1
    right: float = 0.7

    @property
    def simple(self) -> bool:
        """Whether rows are single and pass or fail."""
        return (self.win, self.loss, self.small, self.large) == (1, 1, 1, 1)

    @property
    def strong(self) -> int:
        """Strong units of the population."""
        return round(self.right * POPULATION)

    @property
    def weak(self) -> int:
        return POPULATION - self.strong

    def gain(self, wins: Counts, losses: Counts) -> NDArray[np.float64]:
        """The sum over rows of what these units won and lost."""
        return self.win * self.small * wins - self.loss * self.large * losses


@dataclass(frozen=True)
class Candidate:
    """Candidates, one a sequence, as units won and lost: on dev, and on the judged gate rows.

    `dev` is the gain on dev, `dev_wins` and `dev_losses` what it is made of.
    """

    dev: NDArray[np.float64]
    dev_wins: Counts
    dev_losses: Counts
    wins: Counts
    losses: Counts


def effects(
    world: World, churn: float, harm: float, count: int, rng: np.random.Generator
) -> tuple[Counts, Counts]:
    """Units won and lost over the whole population by `count` candidates without a true gain.

    Args:
        world: the kind of rows.
        churn: the share of units that change.
        harm: spread of the true effects in mean value a unit; each is -|N(0, harm)|, 0: none.
        count: how many candidates.
        rng: where they are drawn from.
    """
    # So many losses pay for one win; a whole number of each, so that nothing is left over.
    pays = world.loss * world.large / (world.win * world.small)
    lost = np.full(count, round(churn * POPULATION / (1 + pays)), dtype=np.int64)
    drawn = np.abs(rng.normal(0, harm, count)) * POPULATION / (world.win * world.small)
    won = np.maximum(np.floor(lost * pays - drawn + 1e-9), 0).astype(np.int64)
    if won.max() > world.weak or lost.max() > world.strong:
        raise ValueError(f"a churn of {churn} does not fit into {world}")
    if (world.gain(won, lost) > 1e-6).any():
        raise ValueError("a candidate of this bench must not have a true gain")
    return won, lost


def draw(
    world: World,
    won: Counts,
    lost: Counts,
    strong: tuple[Counts, Counts],
    units: tuple[int, int],
    rng: np.random.Generator,
) -> Candidate:
    """Where the candidates' units fall.

    Args:
        world: the kind of rows.
        won: units won over the population, a candidate.
        lost: units lost.
        strong: strong units among the gate units and among the dev units of each sequence.
        units: how many gate and dev units there are.
        rng: where they are drawn from.
    """
    gate_strong, dev_strong = strong
    gate_weak, dev_weak = units[0] - gate_strong, units[1] - dev_strong
    wins = rng.hypergeometric(gate_weak, world.weak - gate_weak, won)
    losses = rng.hypergeometric(gate_strong, world.strong - gate_strong, lost)
    dev_wins = rng.hypergeometric(dev_weak, world.weak - gate_weak - dev_weak, won - wins)
    rest = world.strong - gate_strong - dev_strong
    dev_losses = rng.hypergeometric(dev_strong, rest, lost - losses)
    return Candidate(world.gain(dev_wins, dev_losses), dev_wins, dev_losses, wins, losses)
