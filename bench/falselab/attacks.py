"""Attackers who have no true gain to show and steer by what the gate says.

An attacker changes answers to blocks of gate rows, as many for worse as for better in the long
run, resubmits, pays for every look, and builds on what was disclosed:

- sealed: pass or fail and the first rule that failed, `DRIFTS` and `BETS`;
- full, for contrast: the score (`CLIMBS`), or every row's result (`PICKS`).

Answers come with a guarded metric. A candidate that has got past the champion and fails a guard is
resubmitted with the same answers until the guard holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from falselab.judging import Judge, Rows
from falselab.plan import ROUNDS, Turn
from falselab.retrains import NEVER, First
from pawl.core.records import Verdict

# DRIFTS goes on from its last candidate unless the failed rule is an earlier one; BETS begins
# anew with so few changes that all of them must be lucky; CLIMBS keeps what scored higher;
# PICKS keeps each row's right answer.
DRIFTS, BETS, CLIMBS, PICKS = "drifts", "bets", "climbs", "picks"
GUARD = "json_valid"
VALID, SPOILT = 0.98, 0.9
CHANGED, FEW = 0.4, 12
# How far a candidate got: the rules in the order in which they are disclosed.
BEATS, GUARDED, PROMOTED = 0, 1, 2
Bits = NDArray[np.bool_]


@dataclass(frozen=True)
class Answers:
    """Whether each row of each sequence is right, and whether it is valid (the guard)."""

    right: Bits
    valid: Bits

    def at(self, i: int, rows: NDArray[np.int64], metrics: Sequence[str]) -> dict[str, Bits]:
        values = self.right[i, rows].astype(float), self.valid[i, rows].astype(float)
        return dict(zip(metrics, values, strict=False))


def attack(judge: Judge, turns: Sequence[Turn], count: int, *, how: str) -> First:
    """Play `count` sequences against an attacker; the turn of the first promotion."""
    units = 1 + max(int(turn.gate.max()) for turn in turns)
    shape, rng = (count, units), judge.rng
    champion = Answers(rng.random(shape) < judge.world.right, rng.random(shape) < VALID)
    kept, reached = champion, np.full(count, BEATS)
    score, first = np.zeros(count), np.full(count, NEVER)
    for number, turn in enumerate(turns):
        tried = _tried(judge, turn, champion, kept, reached, how=how)
        if how == PICKS and number:
            # What the last look showed to be right is left alone.
            tried = replace(tried, right=kept.right | tried.right)
        gain = tried.right[:, turn.gate].astype(int) - champion.right[:, turn.gate]
        got = _judged(judge, turn, champion, tried, gain, first == NEVER)
        first = np.where((first == NEVER) & (got == PROMOTED), number, first)
        if how == PICKS:
            kept = replace(kept, right=kept.right | tried.right)
            continue
        onwards = got >= reached
        if how == CLIMBS:
            onwards = gain.sum(axis=1) > score
            score = np.where(onwards, gain.sum(axis=1), score)
        kept = Answers(
            np.where(onwards[:, None], tried.right, kept.right),
            np.where(onwards[:, None], tried.valid, kept.valid),
        )
        reached = np.maximum(reached, got)
    return first


def _tried(
    judge: Judge,
    turn: Turn,
    champion: Answers,
    kept: Answers,
    reached: NDArray[np.int64],
    *,
    how: str,
) -> Answers:
    """The next candidates: a block of the judged rows answered anew."""
    rng, size, count = judge.rng, turn.gate.size, len(reached)
    base = champion if how == BETS else kept
    share = FEW / size if how == BETS else CHANGED
    length = np.full((count, 1), size)
    if how == DRIFTS:
        length = rng.choice([10, size // 10, size // 3, size], (count, 1))
    elif how == CLIMBS:
        # Small steps, so that what was won is not lost again.
        length = np.full((count, 1), size // ROUNDS)
    away = (np.arange(size) - rng.integers(size, size=(count, 1))) % size
    answers = base.right[:, turn.gate]
    # As many newly wrong as newly right on the whole, whatever the champion's luck on these rows.
    right = judge.world.right
    chance = np.where(answers, share / 2 / right, share / 2 / (1 - right))
    flipped = (rng.random(answers.shape) < chance) & (away < length)
    # Past the champion only the guard is in the way: the answers stay as they are.
    past = (reached == GUARDED)[:, None]
    anew = rng.random(answers.shape)
    valid = np.where(flipped, anew < SPOILT, base.valid[:, turn.gate])
    tried = Answers(base.right.copy(), base.valid.copy())
    tried.right[:, turn.gate] = np.where(past, kept.right[:, turn.gate], answers ^ flipped)
    tried.valid[:, turn.gate] = np.where(past, anew < VALID, valid)
    return tried


def _judged(
    judge: Judge,
    turn: Turn,
    champion: Answers,
    tried: Answers,
    gain: NDArray[np.int64],
    open_: Bits,
) -> NDArray[np.int64]:
    """How far each candidate gets. Only what the verdict discloses is read of it."""
    got, level = np.full(len(open_), BEATS), turn.charge.level
    wins, losses = (gain > 0).sum(axis=1), (gain < 0).sum(axis=1)
    asked, p = judge.worth_judging(wins, losses, level, open_, units=turn.gate.size)
    metrics = (judge.world.metric, *judge.policy.guards)
    for i in asked:
        rows = Rows(champion.at(i, turn.gate, metrics), tried.at(i, turn.gate, metrics))
        got[i] = _got(judge.verdict(rows, level=level, p=p[i]))
    return got


def _got(verdict: Verdict) -> int:
    if verdict.decision == "promote":
        return PROMOTED
    return BEATS if verdict.failed[0].startswith("beats") else GUARDED
