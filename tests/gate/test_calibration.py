"""A judge decides as far as people agree with it, and never against what they would say."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawl.config.judging import Gate, Judge
from pawl.config.load import parse_params
from pawl.core.files import digest_json
from pawl.core.pairs import candidate_is_left, digest_of, pairs_of
from pawl.core.records import (
    AskedJudge,
    Champion,
    Contender,
    EvalReport,
    Label,
    Look,
    Opinion,
    Pair,
    Review,
    Score,
    Verdict,
    Vote,
    to_json,
)
from pawl.errors import ParamsError
from pawl.gate.decide import decide
from pawl.gate.evidence import Evidence
from pawl.gate.mcnemar import mcnemar_p
from pawl.gate.predictions import agreement, corrected, dealt
from pawl.gate.preference import planned_pairs

JUDGE = Judge("http://127.0.0.1:9/v1", "large", "rubric.md", repeats=1)
POLICY = Gate(metric="preference", min_rows=10, pairs=60, judge=JUDGE)
LEVEL = 0.0025
# By the pair's place in the order in which people are asked: 1, 0 or -1 for the candidate.
Says = Callable[[int], int]


def looked(pairs: int = 300, *, groups: int = 0, same: int = 0, level: float = LEVEL) -> Evidence:
    """A look whose rows were answered: the last `same` of them alike."""
    names, worn = ("candidate", "champion", "zero-shot"), {"candidate": "c", "champion": "d"}
    ids = [f"row-{n:04}" for n in range(pairs)]
    scores = tuple(
        Score(row, row, name, "gate", "alike" if n >= pairs - same else f"{name} says {n}", {},
              f"g{n % groups}" if groups else None)
        for name in names
        for n, row in enumerate(ids)
    )  # fmt: skip
    contenders = tuple(
        Contender(name, "gate", pairs, {"perplexity": 2.0}, None, None, adapter=worn.get(name))
        for name in names
    )
    report = EvalReport(
        "t", "base", "c", Champion(3, "d"), Look(1, 20, "question", level), digest_json(ids), 0,
        contenders, {}, "scores", judge=AskedJudge("large", JUDGE.url, "r", 1, "digest"),
    )  # fmt: skip
    return Evidence(report, scores, {"gate": pairs}, "base")


def everything(found: Evidence) -> tuple[Pair, ...]:
    return planned_pairs(found, Gate(metric="preference"))


def said(found: Evidence, people: Says, policy: Gate = POLICY) -> Evidence:
    """People have compared the planned pairs."""
    asked, labels = planned_pairs(found, policy), []
    for place, pair in enumerate(asked):
        choice = people(place)
        left = candidate_is_left("seed", pair.id) == (choice > 0)
        if not pair.same:
            text = "tie" if not choice else "left" if left else "right"
            labels.append(Label(pair.id, text, "a", ""))  # type: ignore[arg-type]
    review = Review("question", "champion", digest_of(asked), "seed", tuple(labels))
    return dataclasses.replace(found, review=review)


def judged(found: Evidence, judge: Says) -> Evidence:
    """A judge has compared all pairs."""
    ahead: dict[int, Vote] = {1: "first", 0: "tie", -1: "second"}
    places = {pair.id: place for place, pair in enumerate(everything(found))}
    opinions = tuple(
        Opinion(pair.id, (ahead[judge(n)],), (ahead[-judge(n)],))
        for pair in pairs_of(found.report, found.scores)
        for n in [places[pair.id]]
        if not pair.same
    )
    return dataclasses.replace(found, opinions=opinions)


def wins(of: int, per: int = 60) -> Says:
    """The candidate is preferred in `of` of the first `per` pairs, and as often in all others."""
    rng = np.random.default_rng(5)
    first, others = rng.permutation(per) < of, rng.random(2000) < of / per
    drawn = [1 if won else -1 for won in (*first, *others)]
    return lambda place: drawn[place]


def decided(found: Evidence, policy: Gate = POLICY) -> Verdict:
    return decide(found, policy)


def test_a_judge_that_people_agree_with_lets_the_same_labels_decide_more() -> None:
    people, policy = wins(64, per=100), dataclasses.replace(POLICY, pairs=100)
    alone = decided(said(looked(500), people, policy), dataclasses.replace(policy, judge=None))
    assert alone.decision == "inconclusive"
    verdict = decided(judged(said(looked(500), people, policy), people), policy)
    assert verdict.decision == "promote", verdict.reasons
    judge = verdict.judge
    assert judge is not None
    assert (judge.labels, judge.told, judge.agreed, judge.pairs) == (100, 100, 100, 500)
    assert judge.informs == ""
    assert judge.share == pytest.approx(0.64, abs=0.05)
    assert "the judge large takes part: on 500 pairs, corrected by people, 6" in verdict.reasons[1]
    assert "100 of 100 pairs that they told apart (at least 97%" in verdict.reasons[1]
    assert "of two tests" in verdict.reasons[0]
    assert verdict.comparisons[0].p == pytest.approx(2 * (judge.p or 0))


def test_a_judge_for_the_candidate_alone_promotes_nothing_that_people_do_not() -> None:
    for people in (wins(30), wins(10), wins(34)):
        verdict = decided(judged(said(looked(1000), people), lambda _: 1))
        assert verdict.decision in ("reject", "inconclusive")
        assert verdict.judge is not None
        assert "people agree with it too seldom" in verdict.judge.informs
        assert "the labels alone must be twice as clear" in verdict.reasons[1]


def test_what_labels_alone_prove_at_half_the_level_no_judge_takes_back() -> None:
    people = wins(47)
    for judge in (people, lambda n: -people(n), lambda _: -1, lambda _: 0):
        verdict = decided(judged(said(looked(), people), judge))
        assert verdict.decision == "promote"
        assert verdict.comparisons[0].p <= 2 * mcnemar_p(47, 13)


def test_where_a_judge_cannot_count_for_reasons_known_before_it_costs_nothing() -> None:
    people = wins(44)
    every = dataclasses.replace(POLICY, pairs=None)
    few = dataclasses.replace(POLICY, pairs=49)
    for found, policy, why in (
        (looked(60), every, "people compare every pair themselves"),
        (looked(), few, "49 pairs are labelled by people, 50 calibrate a judge"),
        (looked(groups=100), POLICY, "rows come in groups"),
    ):
        told = judged(said(found, people, policy), people)
        with_judge = decided(told, policy)
        without = decided(told, dataclasses.replace(policy, judge=None))
        assert with_judge.comparisons == without.comparisons
        assert with_judge.decision == without.decision
        assert f"informs and decides nothing, as {why}" in with_judge.reasons[1]
        assert "twice as clear" not in with_judge.reasons[1]


def test_answers_that_say_the_same_are_ties_of_people_and_judge_and_no_labels() -> None:
    people = wins(50)
    verdict = decided(judged(said(looked(same=150), people), people))
    assert verdict.judge is not None
    assert verdict.judge.labels < 50
    assert "50 calibrate a judge" in verdict.judge.informs


def test_place_repeats_and_garbage_are_counted() -> None:
    found = said(looked(), wins(44))
    asked = AskedJudge("large", JUDGE.url, "r", 2, "digest")
    found = dataclasses.replace(found, report=dataclasses.replace(found.report, judge=asked))
    kinds: list[tuple[tuple[Vote, Vote], tuple[Vote, Vote]]] = [
        (("first", "first"), ("first", "second")),
        (("second", "none"), ("second", "none")),
        (("tie", "tie"), ("first", "second")),
    ]
    opinions = tuple(
        Opinion(pair.id, *kinds[n % 3])
        for n, pair in enumerate(pairs_of(found.report, found.scores))
    )
    policy = dataclasses.replace(POLICY, judge=dataclasses.replace(JUDGE, repeats=2))
    verdict = decided(dataclasses.replace(found, opinions=opinions), policy)
    judge = verdict.judge
    assert judge is not None
    assert (judge.both, judge.first, judge.second) == (600, 100, 100)
    assert (judge.repeated, judge.flips, judge.votes, judge.unclear) == (600, 400, 1200, 200)
    text = verdict.reasons[1]
    assert "followed the place in 200 of 600 comparisons (100 the first, 100 the second)" in text
    assert "a repeat changed 400 of 600 votes, 200 of 1200 named no choice" in text


def test_opinions_of_other_pairs_of_another_judge_or_none_at_all_are_no_evidence() -> None:
    right = judged(said(looked(), wins(50)), wins(50))
    assert right.opinions is not None
    first, *rest = right.opinions
    other = dataclasses.replace(right.report, judge=AskedJudge("small", "", "r", 1, ""))
    for wrong in (
        dataclasses.replace(right, opinions=tuple(rest)),
        dataclasses.replace(right, opinions=(*right.opinions, first)),
        dataclasses.replace(right, opinions=(Opinion("f" * 64, ("tie",), ("tie",)), *rest)),
        dataclasses.replace(right, opinions=(Opinion(first.pair, ("tie",) * 2, ("tie",)), *rest)),
        dataclasses.replace(right, report=other),
        dataclasses.replace(
            right, opinions=None, report=dataclasses.replace(right.report, judge=None)
        ),
    ):
        assert decided(wrong).decision == "invalid"


def test_while_labels_are_missing_nothing_is_said_of_the_judge() -> None:
    verdict = decided(judged(looked(), wins(60)))
    assert verdict.decision == "waiting"
    assert verdict.judge is None
    assert not any("judge" in reason for reason in verdict.reasons)


def test_a_verdict_without_a_judge_has_no_word_of_one_and_a_sealed_one_no_figure() -> None:
    plain = decided(said(looked(), wins(50)), dataclasses.replace(POLICY, judge=None))
    assert "judge" not in to_json(plain)
    sealed = dataclasses.replace(POLICY, disclosure="sealed")
    verdict = decided(judged(said(looked(), wins(50)), wins(50)), sealed)
    assert verdict.reasons == ("sealed gate: every rule holds",)
    assert "judge" not in to_json(verdict)


LEANS = st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0])


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from([-1, 0, 1]), LEANS), min_size=50, max_size=80),
    st.lists(LEANS, max_size=300),
)
def test_a_p_is_a_probability_and_its_mean_that_of_people_where_all_is_alike(
    labelled: list[tuple[int, float]], others: list[float]
) -> None:
    people, judge = (np.array(part, float) for part in zip(*labelled, strict=True))
    means, sizes = dealt(np.array(others), len(labelled))
    assert sizes.sum() == len(others)
    p, mean = corrected(people, judge, means, sizes, level=LEVEL)
    assert 0 < p <= 1
    assert -1 <= mean <= 1
    # A judge that says the same of all pairs corrects nothing.
    flat = np.full(len(labelled), 0.5)
    _, mean = corrected(people, flat, np.where(sizes > 0, 0.5, 0.0), sizes, level=LEVEL)
    assert mean == pytest.approx(people.mean())


def test_a_coin_agrees_by_half_and_a_judge_that_leans_nowhere_too() -> None:
    people = np.array([1.0, -1.0] * 40 + [0.0] * 20)
    for judge, share in ((people, 1.0), (-people, 0.0), (0 * people, 0.5)):
        agreed, least = agreement(people, judge)
        assert agreed == 80 * share
        assert least <= share
    assert agreement(0 * people, people)[1] == 0


TASK = """
tasks:
  t: {split: {salt: s}, data: d, base: {model: b}, check: {}, train: {}, evaluate: {}, gate: %s}
"""


@pytest.mark.parametrize(
    ("gate", "remedy"),
    [
        ("{judge: {url: 'http://j', model: m, rubric: r.md}}", "name `metric: preference`"),
        ("{metric: preference, judge: {url: 'http://j', model: m}}", "add it"),
        ("{metric: preference, judge: {url: j, model: m, rubric: r.md}}", "change the value"),
        ("{metric: preference, judge: {url: 'http://j', modle: m, rubric: r.md}}", "'model'"),
        (
            "{metric: preference, judge: {url: 'http://j', model: m, rubric: r.md, floor: 0.4}}",
            "change the value",
        ),
    ],
)
def test_what_no_judge_can_be_is_refused_when_params_are_read(gate: str, remedy: str) -> None:
    with pytest.raises(ParamsError) as raised:
        parse_params(TASK % gate, "params.yaml")
    assert remedy in raised.value.remedy
    parse_params(
        TASK % "{metric: preference, judge: {url: 'http://j', model: m, rubric: r.md}}", "p"
    )
