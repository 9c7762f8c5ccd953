"""Sequences of retrains that are no better, and when the gate first falls for one of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from falselab.judging import Judge, placed
from falselab.plan import Turn
from falselab.world import Candidate, draw, effects
from pawl.gate.mcnemar import mid_p

# Rows are drawn one by one: so many sequences of thousands of rows fit into memory.
BLOCK = 2000
NEVER = -1
First = NDArray[np.int64]


def in_blocks(sequences: int, play: Callable[[int], First]) -> First:
    """The turn at which each sequence first promoted, NEVER where none did."""
    counts = [min(BLOCK, sequences - done) for done in range(0, sequences, BLOCK)]
    return np.concatenate([play(count) for count in counts])


def retrains(
    judge: Judge, turns: Sequence[Turn], count: int, *, churn: float, harm: float, pick_of: int
) -> First:
    """Play `count` sequences; each round the best on dev of `pick_of` candidates is judged.

    Champion and rows stay those of the sequence, so that a champion that is unlucky on the gate
    rows is so in every look; after its first promotion a sequence is over.
    """
    units = 1 + max(int(max(turn.gate.max(), turn.dev.max())) for turn in turns)
    strong = judge.rng.random((count, units)) < judge.world.right
    first, paid = np.full(count, NEVER), np.zeros(count, dtype=np.int64)
    for number, turn in enumerate(turns):
        at_hand = strong[:, turn.gate].sum(axis=1), strong[:, turn.dev].sum(axis=1)
        best = _best(judge, turn, at_hand, churn=churn, harm=harm, pick_of=pick_of)
        open_, size = (first == NEVER) & _passed(judge, best), turn.gate.size
        for looks in np.unique(paid[open_]):
            # The screen spares looks: a sequence pays for its own next one.
            level = turns[looks].charge.level
            mine = open_ & (paid == looks)
            asked, p = judge.worth_judging(best.wins, best.losses, level, mine, units=size)
            for i in asked:
                counts = int(at_hand[0][i]), size, int(best.wins[i]), int(best.losses[i])
                rows = placed(judge.world, *counts, judge.rng)
                if judge.verdict(rows, level=level, p=p[i]).decision == "promote":
                    first[i] = number
        paid += open_
    return first


def _passed(judge: Judge, best: Candidate) -> NDArray[np.bool_]:
    """Whom the screen on dev lets through: all, where the policy has none."""
    if judge.policy.screen is None:
        return np.full(best.wins.size, True)
    p = mid_p(best.dev_wins, best.dev_wins + best.dev_losses)
    return (p <= judge.policy.screen) & (best.dev > 0)


def _best(
    judge: Judge,
    turn: Turn,
    strong: tuple[NDArray[np.int64], NDArray[np.int64]],
    *,
    churn: float,
    harm: float,
    pick_of: int,
) -> Candidate:
    """Of each sequence's candidates the one that gains most on dev, ties to the first."""
    size = turn.gate.size, turn.dev.size
    best: Candidate | None = None
    for _ in range(pick_of):
        won, lost = effects(judge.world, churn, harm, len(strong[0]), judge.rng)
        one = draw(judge.world, won, lost, strong, size, judge.rng)
        if best is None:
            best = one
            continue
        better = one.dev > best.dev
        best = Candidate(
            *(
                np.where(better, getattr(one, field.name), getattr(best, field.name))
                for field in dataclasses.fields(Candidate)
            )
        )
    if best is None:
        raise ValueError("pick_of is at least 1")
    return best
