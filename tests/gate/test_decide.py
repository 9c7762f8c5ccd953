"""A promotion means something: only real gains on whole evidence promote."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.gate.decide import decide
from pawl.gate.evidence import Evidence
from pawl.params import Gate
from pawl.records import Champion, EvalReport, Look, Score, Verdict

POLICY = Gate(floors={"exact_match": 0.5}, guards={"json_valid": 0.02}, min_rows=10)
Bits = list[bool]


def evidence(**answers: Sequence[float]) -> Evidence:
    """Evidence in which each contender (champion, baseline) has these exact-match values."""
    scores = [
        Score(
            f"row-{i}", f"{i:016x}", name, "gate", "", {"exact_match": float(v), "json_valid": 1.0}
        )
        for name, values in answers.items()
        for i, v in enumerate(values)
    ]
    champion = Champion(3, "digest") if "champion" in answers else Champion()
    report = EvalReport(
        "t", "base", "candidate", champion, Look(1, 20, "q", 0.0025), "gate", 0, (), {}, "scores"
    )
    return Evidence(report, tuple(scores), {"gate": len(answers["candidate"])})


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


def test_a_baseline_that_is_not_beaten_rejects_and_says_that_prompting_wins() -> None:
    verdict = judge(evidence(candidate=[1] * 40, champion=[0] * 40, base=[1] * 40))
    assert verdict.decision == "reject"
    assert any("Prompting wins" in reason for reason in verdict.reasons)


def test_a_first_champion_needs_the_floor_too() -> None:
    low = judge(evidence(candidate=[1] * 19 + [0] * 21, base=[0] * 40))
    assert low.decision == "reject"
    assert judge(evidence(candidate=[1] * 20 + [0] * 20, base=[0] * 40)).decision == "promote"


def test_a_broken_guard_rejects_whatever_the_gain() -> None:
    found = evidence(candidate=[1] * 40, champion=[0] * 40, base=[0] * 40)
    scores = [
        dataclasses.replace(s, values=s.values | {"json_valid": 0.0})
        if s.contender == "candidate" and s.id in ("row-1", "row-2")
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
    assert judge(found).decision == "reject"


def broken(name: str) -> Evidence:
    """Evidence that would promote, with one fault."""
    found = evidence(candidate=[1] * 40, champion=[0] * 40, base=[0] * 40)
    first, *rest = found.scores

    def scored(value: float) -> Score:
        return dataclasses.replace(first, values=first.values | {"exact_match": value})

    faults = {
        "no look": dataclasses.replace(found, report=dataclasses.replace(found.report, look=None)),
        "NaN": dataclasses.replace(found, scores=(scored(math.nan), *rest)),
        "infinite": dataclasses.replace(found, scores=(scored(math.inf), *rest)),
        "metric missing": dataclasses.replace(
            found, scores=(dataclasses.replace(first, values={}), *rest)
        ),
        "row missing": dataclasses.replace(found, scores=tuple(rest)),
        "row twice": dataclasses.replace(found, scores=(first, *found.scores)),
        "no rows": dataclasses.replace(found, scores=()),
        "no champion": dataclasses.replace(
            found, scores=tuple(s for s in found.scores if s.contender != "champion")
        ),
        "no baseline": dataclasses.replace(
            found, scores=tuple(s for s in found.scores if s.contender != "base")
        ),
        "too few": evidence(candidate=[1] * 9, champion=[0] * 9, base=[0] * 9),
    }
    return faults[name]


@pytest.mark.parametrize(
    "name",
    [
        "no look", "NaN", "infinite", "metric missing", "row missing", "row twice", "no rows",
        "no champion", "no baseline", "too few",
    ],
)  # fmt: skip
def test_broken_evidence_blocks_with_its_reason(name: str) -> None:
    verdict = judge(broken(name))
    assert verdict.decision == "invalid"
    assert verdict.reasons
