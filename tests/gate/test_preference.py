"""What people prefer decides by an exact sign test, and by nothing that a reviewer could choose."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.config.judging import Gate
from pawl.config.load import parse_params
from pawl.core.files import digest_json
from pawl.core.pairs import candidate_is_left, digest_of, opponent, pairs_of, planned, sides
from pawl.core.records import Champion, Contender, EvalReport, Label, Look, Review, Score, Verdict
from pawl.errors import ParamsError
from pawl.gate.decide import decide
from pawl.gate.evidence import Evidence
from pawl.gate.mcnemar import mcnemar_p
from pawl.gate.preference import planned_pairs

POLICY = Gate(metric="preference", min_rows=10)
SEED = "5eed"


def evidence(count: int = 40, *, champion: bool = True, groups: int = 0) -> Evidence:
    """Rows that all contenders answered, each in other words."""
    names = ("candidate", *(("champion",) if champion else ()), "zero-shot", "few-shot")
    scores = tuple(
        Score(f"row-{i:04}", f"{i:016x}", name, "gate", f"{name} says {i}", {},
              f"g{i % groups}" if groups else None)
        for name in names
        for i in range(count)
    )  # fmt: skip
    worn = {"candidate": "c", "champion": "d"}
    contenders = tuple(
        Contender(n, "gate", count, {"perplexity": 9.0 - len(n)}, None, None, adapter=worn.get(n))
        for n in names
    )
    before = Champion(3, "d") if champion else Champion()
    ids = digest_json([f"row-{i:04}" for i in range(count)])
    look = Look(1, 20, "question", 0.0025)
    report = EvalReport("t", "base", "c", before, look, ids, 0, contenders, {}, "scores")
    return Evidence(report, scores, {"gate": count}, "base")


def said(found: Evidence, results: list[int], policy: Gate = POLICY) -> Evidence:
    """The evidence with labels: 1 where the candidate is preferred, -1 the other, 0 a tie."""
    pairs, labels = planned_pairs(found, policy), []
    for pair, result in zip(pairs, results, strict=False):
        left = candidate_is_left(SEED, pair.id) == (result > 0)
        labels.append(Label(pair.id, "tie" if not result else "left" if left else "right", "a", ""))
    against = opponent(found.report)
    review = Review("question", against, digest_of(pairs), SEED, tuple(labels))
    return dataclasses.replace(found, review=review)


def judge(found: Evidence, policy: Gate = POLICY) -> Verdict:
    return decide(found, policy)


@given(st.lists(st.sampled_from([-1, 0, 1]), min_size=40, max_size=40))
def test_the_verdict_is_the_sign_test_of_the_pairs_that_are_no_ties(results: list[int]) -> None:
    verdict = judge(said(evidence(), results))
    won, lost = results.count(1), results.count(-1)
    (c,) = verdict.comparisons
    assert (c.wins, c.losses, c.p) == (won, lost, mcnemar_p(won, lost))
    assert c.candidate == pytest.approx((won + results.count(0) / 2) / 40)
    promoted = won > lost and mcnemar_p(won, lost) < 0.0025
    assert (verdict.decision == "promote") == promoted
    if won <= lost and won + lost:
        assert verdict.decision == "reject"


def test_whatever_share_of_ties_a_reviewer_gives_luck_passes_no_more_often_than_the_level() -> None:
    draw = np.random.default_rng(1)
    for ties in (0.0, 0.3, 0.9):
        told = draw.binomial(60, 1 - ties, size=200_000)
        won = draw.binomial(told, 0.5)
        pairs, counts = np.unique(np.stack([won, told - won]), axis=1, return_counts=True)
        passed = sum(
            int(count)
            for (wins, losses), count in zip(pairs.T, counts, strict=True)
            if mcnemar_p(int(wins), int(losses)) < 0.01
        )
        assert passed / 200_000 < 0.0105


@pytest.mark.parametrize("missing", [1, 20, 40])
def test_it_waits_while_a_planned_pair_has_no_label_however_clear_the_others_are(
    missing: int,
) -> None:
    verdict = judge(said(evidence(), [1] * (40 - missing)))
    assert verdict.decision == "waiting"
    assert verdict.comparisons == ()
    assert f"{missing} of 40 pairs" in verdict.reasons[0]


def test_a_planned_number_of_pairs_is_drawn_from_the_look_and_only_they_count() -> None:
    policy = dataclasses.replace(POLICY, pairs=20)
    found = evidence()
    assert judge(said(found, [1] * 19, policy), policy).decision == "waiting"
    assert judge(said(found, [1] * 20, policy), policy).decision == "promote"
    every = pairs_of(found.report, found.scores)
    drawn = planned(every, 20, question="question")
    assert drawn != planned(every, 20, question="another")
    assert len({pair.id for pair in drawn}) == 20


def test_without_a_champion_the_best_prompt_is_the_one_that_expects_the_references_most() -> None:
    found = evidence(champion=False)
    assert opponent(found.report) == "zero-shot"
    verdict = judge(said(found, [-1] * 30 + [1] * 10))
    assert verdict.decision == "reject"
    assert "Prompting wins" in verdict.reasons[0]


def test_labels_of_another_look_or_of_other_answers_are_no_evidence() -> None:
    right = said(evidence(), [1] * 40)
    assert right.review is not None
    for wrong in (
        dataclasses.replace(right.review, question="another"),
        dataclasses.replace(right.review, against="zero-shot"),
        dataclasses.replace(right.review, pairs="0" * 64),
        dataclasses.replace(right.review, labels=(Label("f" * 64, "left", "a", ""),)),
    ):
        assert judge(dataclasses.replace(right, review=wrong)).decision == "invalid"
    other = [dataclasses.replace(s, output=f"{s.output}!") for s in right.scores]
    assert judge(dataclasses.replace(right, scores=tuple(other))).decision == "invalid"


def test_pairs_of_one_group_are_no_independent_evidence() -> None:
    alone = judge(said(evidence(), [1] * 26 + [-1] * 14))
    (one,) = alone.comparisons
    (grouped,) = judge(said(evidence(groups=4), [1] * 26 + [-1] * 14)).comparisons
    assert grouped.p > one.p


def test_where_people_cannot_tell_the_two_apart_nothing_was_decided() -> None:
    assert judge(said(evidence(), [0] * 40)).decision == "inconclusive"


@given(st.text(min_size=1), st.text(min_size=1))
def test_the_sides_hold_both_answers_whichever_is_where(seed: str, mine: str) -> None:
    (pair, *_) = pairs_of(evidence().report, evidence().scores)
    pair = dataclasses.replace(pair, candidate=mine)
    assert sorted(sides(pair, seed)) == sorted((pair.candidate, pair.other))


TASK = """
tasks:
  t:
    split: {salt: s, slice_by: part}
    data: d
    base: {model: b}
    check: {}
    train: {}
    evaluate: {}
    gate: %s
"""


@pytest.mark.parametrize(
    ("gate", "remedy"),
    [
        ("{metric: preference, guards: {preference: 0.1}}", "name it as `gate.metric`"),
        ("{metric: preference, floors: {preference: 0.5}}", "needs no floor"),
        ("{metric: preference, slices: 0.1}", "guard a metric of rows instead"),
        ("{metric: exact_match, pairs: 50}", "name `metric: preference`"),
    ],
)
def test_what_preference_cannot_be_is_refused_when_params_are_read(gate: str, remedy: str) -> None:
    with pytest.raises(ParamsError) as raised:
        parse_params(TASK % gate, "params.yaml")
    assert remedy in raised.value.remedy


def test_a_policy_of_preference_needs_nothing_else() -> None:
    parse_params(TASK % "{metric: preference, pairs: 60}", "params.yaml")
