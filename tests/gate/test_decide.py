"""A promotion means something: only real gains on whole evidence promote."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.config.judging import Gate
from pawl.core.files import digest_json
from pawl.core.records import Champion, Contender, EvalReport, Look, Score, Verdict
from pawl.gate.decide import decide
from pawl.gate.evidence import Evidence

POLICY = Gate(floors={"exact_match": 0.5}, guards={"json_valid": 0.2}, min_rows=10)
Bits = list[bool]


def evidence(
    *, group: Sequence[str] = (), part: Sequence[str] = (), **answers: Sequence[float]
) -> Evidence:
    """Evidence in which each contender (champion, baseline) has these exact-match values."""
    scores = [
        Score(
            f"row-{i:04}",
            f"{i:016x}",
            name,
            "gate",
            "",
            {"exact_match": float(v), "json_valid": 1.0, "seconds": 2.0 - float(v)},
            group[i] if group else None,
            part[i] if part else None,
        )
        for name, values in answers.items()
        for i, v in enumerate(values)
    ]
    champion = Champion(3, "digest") if "champion" in answers else Champion()
    ids = digest_json([f"row-{i:04}" for i in range(len(answers["candidate"]))])
    wore = {"candidate": "candidate", "champion": "digest"}
    contenders = tuple(
        Contender(name, "gate", len(values), {}, None, None, adapter=wore.get(name))
        for name, values in answers.items()
    )
    look = Look(1, 20, "q", 0.0025)
    report = EvalReport("t", "base", "candidate", champion, look, ids, 0, contenders, {}, "scores")
    return Evidence(report, tuple(scores), {"gate": len(answers["candidate"])}, "base")


def judge(found: Evidence, policy: Gate = POLICY) -> Verdict:
    return decide(found, policy, parents={})


def test_a_clear_gain_over_champion_and_baseline_promotes() -> None:
    verdict = judge(evidence(candidate=[1] * 40, champion=[0] * 20 + [1] * 20, base=[0] * 40))
    assert verdict.decision == "promote"
    assert [c.against for c in verdict.comparisons] == ["champion", "base"]


def test_a_gain_that_luck_explains_is_inconclusive_and_says_how_many_rows_would_settle_it() -> None:
    verdict = judge(evidence(candidate=[1] * 40, champion=[0] * 4 + [1] * 36, base=[0] * 40))
    assert verdict.decision == "inconclusive"
    assert any("more gate rows would settle it" in reason for reason in verdict.reasons)


def test_looks_under_another_name_are_named_and_change_no_decision() -> None:
    look = Look(1, 20, "q", 0.0025)
    before = decide(reported(WHOLE, look=look), Gate(metric="exact_match"))
    other = dataclasses.replace(look, elsewhere={"letters": 97})
    after = decide(reported(WHOLE, look=other), Gate(metric="exact_match"))
    assert after.decision == before.decision
    assert "97 of the rows of this task's first look were judged as 'letters'" in after.reasons[-1]


def test_a_baseline_that_is_not_beaten_rejects_and_says_that_prompting_wins() -> None:
    verdict = judge(evidence(candidate=[1] * 38 + [0] * 2, champion=[0] * 40, base=[1] * 40))
    assert verdict.decision == "reject"
    assert any("Prompting wins" in reason for reason in verdict.reasons)


@pytest.mark.parametrize("answers", [[0] * 40, [1] * 40, [1] * 13 + [0] * 27])
def test_where_no_row_differs_nothing_was_decided_and_prompting_has_not_won(answers: Bits) -> None:
    verdict = judge(evidence(candidate=answers, base=answers), Gate(floors={"exact_match": 0.0}))
    assert verdict.decision == "inconclusive"
    (said,) = [reason for reason in verdict.reasons if "base" in reason]
    assert "cannot be told from base: no row differs in exact_match" in said
    assert not any("Prompting wins" in reason for reason in verdict.reasons)
    earlier = decide(
        evidence(candidate=answers, base=answers),
        Gate(floors={"exact_match": 0.0}),
        edition=1,
    )
    assert earlier.decision == "reject", "as edition 1 said"


def test_a_baseline_that_seems_worse_than_the_best_must_be_beaten_too() -> None:
    # The best one shares the candidate's mistakes and is beaten clearly; the other, a little worse
    # on average, is right on other rows, so that luck may explain the gain over it.
    candidate = [1] * 150 + [0] * 150
    other = [0] * 60 + [1] * 90 + [1] * 49 + [0] * 101
    found = evidence(candidate=candidate, champion=[0] * 300, base=[1] * 140 + [0] * 160, few=other)
    verdict = judge(found)
    assert verdict.decision == "inconclusive"
    assert [c.against for c in verdict.comparisons] == ["champion", "base", "few"]


def test_a_first_champion_needs_the_floor_too() -> None:
    low = judge(evidence(candidate=[1] * 19 + [0] * 21, base=[0] * 40))
    assert low.decision == "reject"
    assert judge(evidence(candidate=[1] * 20 + [0] * 20, base=[0] * 40)).decision == "promote"


def test_a_broken_guard_rejects_whatever_the_gain() -> None:
    found = evidence(candidate=[1] * 40, champion=[0] * 40, base=[0] * 40)
    scores = [
        dataclasses.replace(s, values=s.values | {"json_valid": 0.0})
        if s.contender == "candidate" and s.id < "row-0010"
        else s
        for s in found.scores
    ]
    verdict = judge(dataclasses.replace(found, scores=tuple(scores)))
    assert verdict.decision == "reject"
    assert any("breaks the guard on json_valid" in reason for reason in verdict.reasons)


PAIRS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=10, max_size=300)


@given(PAIRS)
def test_swapping_candidate_and_champion_never_promotes_both(
    pairs: list[tuple[bool, bool]],
) -> None:
    a, b = ([float(x) for x in column] for column in zip(*pairs, strict=True))
    nothing = [0.0] * len(pairs)
    one = judge(evidence(candidate=a, champion=b, base=nothing)).decision
    other = judge(evidence(candidate=b, champion=a, base=nothing)).decision
    assert not (one == other == "promote")


@given(st.lists(st.booleans(), min_size=10, max_size=300))
def test_a_tie_never_promotes(bits: Bits) -> None:
    values = [float(bit) for bit in bits]
    found = evidence(candidate=values, champion=values, base=[0.0] * len(values))
    assert judge(found).decision == "inconclusive"


def test_a_guard_that_few_rows_cannot_prove_keeps_the_champion_and_asks_for_rows() -> None:
    found = evidence(candidate=[1] * 40, champion=[0] * 40, base=[0] * 40)
    verdict = judge(found, dataclasses.replace(POLICY, guards={"json_valid": 0.02}))
    assert verdict.decision == "inconclusive"
    assert verdict.failed == ("guard json_valid",)
    (reason,) = [reason for reason in verdict.reasons if "has not proved" in reason]
    assert "more gate rows would settle it" in reason


def test_a_slice_that_gets_worse_rejects_whatever_the_rest_gains() -> None:
    halves = ["refunds"] * 200 + ["orders"] * 200
    policy = dataclasses.replace(POLICY, slices=0.1)
    worse = evidence(
        part=halves,
        candidate=[0] * 60 + [1] * 340,
        champion=[1] * 200 + [0] * 200,
        base=[0] * 400,
    )
    verdict = judge(worse, policy)
    assert (verdict.decision, verdict.failed) == ("reject", ("slice refunds",))
    assert [c.slice for c in verdict.guards] == [None, "orders", "refunds"]
    fine = evidence(
        part=halves, candidate=[1] * 400, champion=[1] * 200 + [0] * 200, base=[0] * 400
    )
    assert judge(fine, policy).decision == "promote"


def test_of_metrics_like_seconds_less_is_better() -> None:
    policy = dataclasses.replace(POLICY, metric="seconds")
    found = evidence(candidate=[1] * 40, champion=[0] * 40, base=[0.5] * 20 + [0] * 20)
    verdict = judge(found, policy)
    assert verdict.decision == "promote"
    swapped = evidence(candidate=[0] * 40, champion=[1] * 40, base=[0] * 40)
    assert judge(swapped, policy).decision == "reject"


def test_the_level_is_the_one_that_the_look_was_reserved_with() -> None:
    found = evidence(candidate=[1] * 40, champion=[0] * 9 + [1] * 31, base=[0] * 40)
    dear = Look(20, 20, "q", 0.001)
    stricter = dataclasses.replace(found, report=dataclasses.replace(found.report, look=dear))
    assert judge(found).decision == "promote"
    assert judge(stricter).decision == "inconclusive"


def test_every_difference_comes_with_an_interval_around_it() -> None:
    verdict = judge(evidence(candidate=[1] * 40, champion=[0] * 20 + [1] * 20, base=[0] * 40))
    for c in (*verdict.comparisons, *verdict.guards):
        assert c.interval
        assert c.interval[0] <= c.candidate - c.other <= c.interval[1] + 0.05


def test_beaten_baselines_are_recorded_too_each_with_its_interval() -> None:
    verdict = judge(evidence(candidate=[1] * 40, base=[0] * 40, few=[0] * 30 + [1] * 10))
    assert verdict.decision == "promote"
    assert [c.against for c in verdict.comparisons] == ["few", "base"], "the best one first"
    assert all(c.interval and c.interval[0] > 0 for c in verdict.comparisons)
    assert any("beats base" in reason for reason in verdict.reasons)


@pytest.mark.parametrize(
    ("big", "says"),
    [
        ([1] * 60 + [0] * 0, "cannot be told from big"),
        ([0] * 40 + [1] * 20, "is ahead of big"),
    ],
)
def test_a_contender_elsewhere_is_compared_with_an_interval_and_decides_nothing(
    big: list[int], says: str
) -> None:
    found = evidence(candidate=[1] * 60, champion=[0] * 60, base=[0] * 60, big=big)
    found = with_contender(found, "big", elsewhere="a server")
    verdict = judge(found)
    assert verdict.decision == "promote"
    (c,) = verdict.beside
    assert (c.against, c.interval is None) == ("big", False)
    assert "big" not in {c.against for c in verdict.comparisons}
    (reason,) = [reason for reason in verdict.reasons if says in reason]
    assert "big (a server), which need not be beaten" in reason
    losing = evidence(candidate=[0] * 30 + [1] * 30, base=[0] * 60, big=[1] * 60)
    behind = judge(with_contender(losing, "big", elsewhere="a server"))
    assert behind.decision == "promote"
    assert any("falls behind big" in reason for reason in behind.reasons)
    hidden = judge(found, dataclasses.replace(POLICY, disclosure="sealed"))
    assert not hidden.beside
    # A server may lack the gate's metric: then it is not compared, and nothing blocks.
    mute = tuple(
        dataclasses.replace(s, values={}) if s.contender == "big" else s for s in found.scores
    )
    quiet = judge(dataclasses.replace(found, scores=mute))
    assert (quiet.decision, quiet.beside) == ("promote", ())


def test_an_endless_answer_counts_as_one_that_is_wholly_wrong() -> None:
    policy = dataclasses.replace(POLICY, guards={"char_error": 0.1})
    found = evidence(candidate=[1] * 200, champion=[0] * 200, base=[0] * 200)
    for error in (1.0, 500.0):
        scores = tuple(
            dataclasses.replace(
                s,
                values=s.values
                | {"char_error": error * ((s.contender, s.id) == ("candidate", "row-0000"))},
            )
            for s in found.scores
        )
        verdict = judge(dataclasses.replace(found, scores=scores), policy)
        assert verdict.decision == "promote"
        assert verdict.guards[0].candidate == 1 / 200


@pytest.mark.parametrize("kind", ["graded", "grouped"])
def test_inconclusive_says_how_many_more_graded_or_grouped_rows_would_settle_it(kind: str) -> None:
    step = 0.5 if kind == "graded" else 1.0
    group = [f"c{i // 2}" for i in range(200)] if kind == "grouped" else []
    mine, theirs = [step] * 8 + [0.0] * 192, [0.0] * 8 + [step] * 2 + [0.0] * 190
    lenient = dataclasses.replace(POLICY, guards={})
    found = evidence(group=group, candidate=mine, champion=theirs, base=theirs)
    verdict = judge(found, lenient)
    assert verdict.decision == "inconclusive"
    more = [int(m[1]) for r in verdict.reasons if (m := re.search(r"about (\d+) more", r))]
    assert len(more) == 2
    times = -(-(more[0] + 200) // 200)
    groups = [f"{t}{g}" for t in range(times) for g in group]
    again = evidence(
        group=groups, candidate=mine * times, champion=theirs * times, base=theirs * times
    )
    assert judge(again, lenient).decision == "promote"


# No score is a share of less than 1e-300: means of such numbers are 0.
SCORES = st.floats(0, 1, allow_subnormal=False)
GROUPS = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), SCORES, SCORES),
    min_size=10,
    max_size=60,
)


@given(GROUPS)
def test_swapping_never_promotes_both_with_graded_and_grouped_rows(
    rows: list[tuple[str, float, float]],
) -> None:
    groups, a, b = zip(*rows, strict=True)
    nothing = [0.0] * len(rows)
    lenient = dataclasses.replace(POLICY, guards={})
    one = judge(evidence(group=groups, candidate=a, champion=b, base=nothing), lenient)
    other = judge(evidence(group=groups, candidate=b, champion=a, base=nothing), lenient)
    assert not (one.decision == other.decision == "promote")
    tie = judge(evidence(group=groups, candidate=a, champion=a, base=nothing), lenient)
    assert tie.decision == "inconclusive"


@given(PAIRS)
def test_a_sealed_verdict_discloses_pass_or_fail_and_one_rule_alone(
    pairs: list[tuple[bool, bool]],
) -> None:
    a, b = ([float(x) for x in column] for column in zip(*pairs, strict=True))
    found = evidence(candidate=a, champion=b, base=[0.0] * len(pairs))
    full = judge(found)
    sealed = judge(found, dataclasses.replace(POLICY, disclosure="sealed"))
    assert (sealed.decision == "promote") == (full.decision == "promote")
    assert sealed.decision in ("promote", "reject")
    assert sealed.failed == full.failed[:1]
    assert not any([sealed.comparisons, sealed.beside, sealed.guards, sealed.scores])
    assert not any(c.isdigit() for reason in sealed.reasons for c in reason)


def scored(found: Evidence, value: float) -> Evidence:
    first, *rest = found.scores
    odd = dataclasses.replace(first, values=first.values | {"exact_match": value})
    return dataclasses.replace(found, scores=(odd, *rest))


def reported(found: Evidence, **changes: object) -> Evidence:
    report = dataclasses.replace(found.report, **changes)  # type: ignore[arg-type]
    return dataclasses.replace(found, report=report)


def without(found: Evidence, name: str) -> Evidence:
    others = tuple(s for s in found.scores if s.contender != name)
    return dataclasses.replace(found, scores=others)


def with_contender(found: Evidence, name: str, **changes: object) -> Evidence:
    """The evidence with something else in the report's summary of one contender."""
    contenders = tuple(
        dataclasses.replace(c, **changes) if c.name == name else c  # type: ignore[arg-type]
        for c in found.report.contenders
    )
    return reported(found, contenders=contenders)


def sliced(found: Evidence, *, rows: int) -> Evidence:
    """The evidence with a slice in the first rows alone."""
    scores = tuple(
        dataclasses.replace(s, slice="a") if s.id < f"row-{rows:04}" else s for s in found.scores
    )
    return dataclasses.replace(found, scores=scores)


def keyed(found: Evidence, name: str, key: str) -> Evidence:
    """The evidence with another key in the last row of one contender."""
    last = max(s.id for s in found.scores)
    scores = tuple(
        dataclasses.replace(s, key=key) if (s.contender, s.id) == (name, last) else s
        for s in found.scores
    )
    return dataclasses.replace(found, scores=scores)


WHOLE = evidence(candidate=[1] * 60, champion=[0] * 60, base=[0] * 60)
TWO_BASELINES = evidence(candidate=[1] * 60, champion=[0] * 60, base=[0] * 60, few=[0] * 60)
FIRST, *REST = WHOLE.scores
BROKEN = {
    "no look": (reported(WHOLE, look=None), "no look was reserved"),
    "a look without a level": (
        reported(WHOLE, look=Look(1, 20, "q", math.nan)), "the look's level is nan"
    ),
    "a look with a level of 1": (reported(WHOLE, look=Look(1, 1, "q", 1.0)), "level is 1.0"),
    "metric missing": (
        dataclasses.replace(WHOLE, scores=(dataclasses.replace(FIRST, values={}), *REST)),
        "has no exact_match in 1 of 60 rows",
    ),
    "NaN": (scored(WHOLE, math.nan), "exact_match that is no finite number in 1 rows"),
    "infinite": (scored(WHOLE, math.inf), "exact_match that is no finite number"),
    "minus infinite": (scored(WHOLE, -math.inf), "exact_match that is no finite number"),
    "infinity as a store gives it back": (scored(WHOLE, 1.8e308), "no finite number"),
    "infinity as MLflow clamps it": (
        scored(WHOLE, 1.7976931348623157e308), "exact_match that is out of its range"
    ),
    "a share above 1": (scored(WHOLE, 1.5), "exact_match that is out of its range"),
    "zero rows": (dataclasses.replace(WHOLE, scores=()), "'candidate' was not scored"),
    "too few rows": (
        evidence(candidate=[1] * 9, champion=[0] * 9, base=[0] * 9), "asks for at least 10"
    ),
    "a row missing for one contender": (
        dataclasses.replace(WHOLE, scores=WHOLE.scores[:-1]), "'base' was scored on other rows"
    ),
    "a row twice": (
        dataclasses.replace(WHOLE, scores=(FIRST, *WHOLE.scores)), "'candidate' has a row twice"
    ),
    "other gate digest": (reported(WHOLE, gate="f" * 64), "are not the gate rows that the report"),
    "no gate digest": (reported(WHOLE, gate=None), "are not the gate rows that the report"),
    "other base digest": (reported(WHOLE, base="other"), "the evaluation ran on base other"),
    "no champion": (without(WHOLE, "champion"), "'champion' was not scored"),
    "no baseline": (without(WHOLE, "base"), "whether prompting would do is not known"),
    "other groups": (
        dataclasses.replace(WHOLE, scores=(dataclasses.replace(FIRST, group="g"), *REST)),
        "has rows in other groups or slices",
    ),
    "a baseline of the report without rows": (
        without(TWO_BASELINES, "few"), "'few' has 0 gate rows, the report says 60"
    ),
    "a baseline that the report does not name": (
        reported(WHOLE, contenders=WHOLE.report.contenders[:2]),
        "'base' has 60 gate rows, the report says 0",
    ),
    "a contender twice in the report": (
        reported(WHOLE, contenders=WHOLE.report.contenders + WHOLE.report.contenders[-1:]),
        "names a contender twice",
    ),
    "fewer rows than the split has": (
        dataclasses.replace(WHOLE, rows={"gate": 3000}),
        "60 gate rows were scored and 0 left out, the split has 3000",
    ),
    "more rows than the split has": (
        dataclasses.replace(WHOLE, rows={"gate": 0}), "the split has 0"
    ),
    "a split without a count": (dataclasses.replace(WHOLE, rows={}), "the split has 0"),
    "rows left out that the split does not have": (reported(WHOLE, excluded=5), "5 left out"),
    "the same ids with other keys": (
        keyed(WHOLE, "base", "f" * 16), "'base' was scored on other rows"
    ),
    "another adapter than the candidate": (
        with_contender(WHOLE, "candidate", adapter="other"),
        "'candidate' answered with adapter other, the report is about adapter candidate",
    ),
    "another candidate than the adapter": (
        reported(WHOLE, candidate="other"), "the report is about adapter other"
    ),
    "another adapter than the champion": (
        with_contender(WHOLE, "champion", adapter=None), "'champion' answered with no adapter"
    ),
    "a baseline that wore an adapter": (
        with_contender(WHOLE, "base", adapter="candidate"), "'base' answered with adapter candidate"
    ),
}  # fmt: skip
EMPTY = {
    "empty policy": (WHOLE, dataclasses.replace(POLICY, metric=""), "the policy is empty"),
    "no floor for a first champion": (
        evidence(candidate=[1] * 60, base=[0] * 60),
        dataclasses.replace(POLICY, floors={}),
        "the policy has no floors",
    ),
    "slices that no row has": (
        WHOLE, dataclasses.replace(POLICY, slices=0.1), "but 60 of 60 rows have none"
    ),
    "slices that half of the rows have": (
        sliced(TWO_BASELINES, rows=30),
        dataclasses.replace(POLICY, slices=0.3),
        "but 30 of 60 rows have none",
    ),
}  # fmt: skip


def test_the_evidence_that_gets_broken_below_would_promote() -> None:
    assert judge(WHOLE).decision == "promote"


@pytest.mark.parametrize("name", BROKEN)
def test_broken_evidence_blocks_with_its_reason(name: str) -> None:
    found, says = BROKEN[name]
    verdict = judge(found)
    assert verdict.decision == "invalid"
    assert any(says in reason for reason in verdict.reasons), verdict.reasons
    assert judge(found, dataclasses.replace(POLICY, disclosure="sealed")).decision == "invalid"


@pytest.mark.parametrize("name", EMPTY)
def test_a_policy_that_asks_nothing_blocks_with_its_reason(name: str) -> None:
    found, policy, says = EMPTY[name]
    verdict = judge(found, policy)
    assert verdict.decision == "invalid"
    assert any(says in reason for reason in verdict.reasons), verdict.reasons
