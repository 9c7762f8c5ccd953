"""The screen: does dev speak against a candidate already? Then no look is spent on it.

A candidate that is no better on dev is seldom better on the gate's rows, and a look costs alpha for
good. Dev rows judge nothing else: whatever the screen lets through is judged at the same level as
without it, so that the chance of a false promotion can only fall. It needs no exact test, and wants
one that is not coarse on few rows.
"""

from __future__ import annotations

import numpy as np

from pawl.config.judging import Gate
from pawl.core.metrics import bounded, shown
from pawl.gate.evidence import CANDIDATE, CHAMPION, Evidence
from pawl.gate.mcnemar import mid_p
from pawl.gate.rules import Finding, paired
from pawl.gate.stats import Units, sign_flip_p

SCREEN, EFFECT = "screen", "effect"
FEW = 30


def no_effect(evidence: Evidence) -> list[Finding]:
    """The finding that the adapter changes no answer on dev; empty if it changes one.

    Of fewer than FEW rows it may well change none and be worth having.
    """
    rows = len(evidence.on_dev(CANDIDATE))
    if not evidence.report.same_as_base or rows < FEW:
        return []
    text = (
        f"nothing was learned that shows: all {rows} dev rows are answered as the base alone "
        "answers them; raise `train.learning_rate` or `train.epochs`"
    )
    return [Finding(EFFECT, False, True, text)]


def screen(evidence: Evidence, policy: Gate) -> list[Finding]:
    """What the dev rows of candidate and champion say before a look; empty if there is no screen.

    There is none where none is asked for, or the champion did not answer dev (there is none yet, it
    sits on another base, it learned all these rows).
    """
    if policy.screen is None:
        return []
    return [*no_effect(evidence), *_compared(evidence, policy, policy.screen)]


def _compared(evidence: Evidence, policy: Gate, asked: float) -> list[Finding]:
    theirs = {score.id: score for score in evidence.on_dev(CHAMPION)}
    mine = {s.id: s for s in evidence.on_dev(CANDIDATE) if s.id in theirs}
    metric = policy.metric
    both = [(mine[name], theirs[name]) for name in sorted(mine)]
    if not both or any(metric not in score.values for pair in both for score in pair):
        return []
    gain, (own, other), (won, lost) = paired([a for a, _ in both], [b for _, b in both], metric)
    p = _p(gain, won, lost, bounded=bounded(metric))
    figures = (
        f"{metric} {shown(metric, own)} against {shown(metric, other)} of the champion on "
        f"{len(both)} dev rows, {won} won, {lost} lost, p = {p:.2g} ({asked:g} or less is asked)"
    )
    if p <= asked:
        return [Finding(SCREEN, True, False, f"dev does not speak against it: {figures}")]
    text = f"dev speaks against it, so that no look was spent: {figures}"
    # Where no dev row differs nothing was decided.
    return [Finding(SCREEN, False, gain.mean <= 0 and won + lost > 0, text)]


def _p(gain: Units, won: int, lost: int, *, bounded: bool) -> float:
    if gain.mean <= 0:
        return 1.0
    if bounded and not gain.clustered and np.isin(gain.sums, (-1, 0, 1)).all():
        return float(mid_p(np.array(won), np.array(won + lost)))
    return sign_flip_p(gain.sums)
