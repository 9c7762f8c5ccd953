"""`gate.matches`: only a candidate that is proved to match a contender elsewhere is promoted."""

from __future__ import annotations

import dataclasses

import pytest
from test_decide import evidence

from pawl.config.judging import Gate
from pawl.core.records import Verdict
from pawl.gate.decide import decide
from pawl.gate.evidence import Evidence

POLICY = Gate(floors={"exact_match": 0.5}, min_rows=10, matches={"old-tune": 0.1})


def judged(*, mine: list[int], theirs: list[int] | None, policy: Gate = POLICY) -> Verdict:
    answers = {"candidate": mine, "base": [0] * len(mine)}
    found = evidence(**answers, **({} if theirs is None else {"old-tune": theirs}))
    contenders = tuple(
        dataclasses.replace(one, elsewhere="ft:tune at https://provider.example/v1")
        if one.name == "old-tune"
        else one
        for one in found.report.contenders
    )
    skipped = {} if theirs is not None else {"old-tune": "HTTP 410: the model is gone"}
    report = dataclasses.replace(found.report, contenders=contenders, skipped=skipped)
    return decide(Evidence(report, found.scores, found.rows, found.base), policy, parents={})


def test_a_candidate_that_is_proved_to_match_the_old_tune_is_promoted_and_the_verdict_says_so() -> (
    None
):
    mine = [1] * 190 + [0] * 10
    verdict = judged(mine=mine, theirs=[0] * 3 + [1] * 187 + [0] * 4 + [1] * 6)
    assert verdict.decision == "promote", verdict.reasons
    assert any(reason.startswith("matches old-tune: ") for reason in verdict.reasons)
    [found] = verdict.guards
    assert (found.against, found.margin, found.passed) == ("old-tune", 0.1, True)
    # It is said once: not among those that need not be beaten.
    assert not verdict.beside


def test_a_candidate_that_falls_behind_by_more_than_the_margin_is_rejected() -> None:
    verdict = judged(mine=[1] * 120 + [0] * 80, theirs=[1] * 190 + [0] * 10)
    assert verdict.decision == "reject"
    assert "matches old-tune" in verdict.failed
    assert any(reason.startswith("falls behind old-tune: ") for reason in verdict.reasons)


def test_few_rows_prove_no_match_and_it_is_told_how_many_would() -> None:
    verdict = judged(mine=[1] * 20, theirs=[1] * 20)
    assert verdict.decision == "inconclusive"
    told = next(reason for reason in verdict.reasons if "old-tune" in reason)
    assert "more gate rows would settle it" in told


def test_a_tune_that_does_not_answer_any_more_cannot_be_matched() -> None:
    verdict = judged(mine=[1] * 200, theirs=None)
    assert verdict.decision == "inconclusive"
    assert any("HTTP 410" in reason and "old-tune" in reason for reason in verdict.reasons)


def test_without_the_key_a_tune_informs_and_decides_nothing() -> None:
    plain = dataclasses.replace(POLICY, matches={})
    verdict = judged(mine=[1] * 120 + [0] * 80, theirs=[1] * 190 + [0] * 10, policy=plain)
    assert verdict.decision == "promote"
    [beside] = verdict.beside
    assert beside.against == "old-tune"


@pytest.mark.parametrize("margin", [0.05, 0.1])
def test_a_true_loss_of_the_margin_is_seldom_taken_for_a_match(margin: float) -> None:
    """At most alpha of the time, over rows drawn where the candidate is worse by the margin."""
    import numpy as np

    draw = np.random.default_rng(5)
    policy = dataclasses.replace(POLICY, matches={"old-tune": margin}, metric="exact_match")
    found = 0
    for _ in range(60):
        theirs = (draw.random(150) < 0.9).astype(int)
        mine = (draw.random(150) < 0.9 - margin).astype(int)
        verdict = judged(mine=mine.tolist(), theirs=theirs.tolist(), policy=policy)
        found += verdict.guards[0].passed
    assert found <= 7
