"""No look is spent on a candidate that dev speaks against, and the screen alone never promotes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.config.judging import Gate
from pawl.core.records import Champion, Contender, EvalReport, Score
from pawl.gate.decide import decide
from pawl.gate.evidence import Evidence

POLICY = Gate(screen=0.15, floors={"exact_match": 0.5})


def on_dev(**answers: Sequence[float]) -> Evidence:
    """Evidence without a look: what candidate and champion came to on dev."""
    scores = tuple(
        Score(f"row-{i}", f"{i:016x}", name, "dev", "", {"exact_match": float(v)})
        for name, values in answers.items()
        for i, v in enumerate(values)
    )
    contenders = tuple(Contender(n, "dev", len(v), {}, None, None) for n, v in answers.items())
    champion = Champion(3, "digest") if "champion" in answers else Champion()
    report = EvalReport("t", "base", "c", champion, None, None, 0, contenders, {}, "scores")
    return Evidence(report, scores, {"gate": 40}, "base")


def answers(won: int, lost: int, same: int = 50) -> dict[str, list[float]]:
    return {
        "candidate": [1] * (won + same) + [0] * lost,
        "champion": [0] * won + [1] * (same + lost),
    }


@pytest.mark.parametrize(
    ("won", "lost", "decision"),
    [(2, 6, "reject"), (4, 4, "reject"), (0, 0, "inconclusive"), (4, 3, "inconclusive")],
)
def test_who_is_worse_on_dev_is_rejected_and_who_is_hardly_better_is_not_looked_at(
    won: int, lost: int, decision: str
) -> None:
    verdict = decide(on_dev(**answers(won, lost)), POLICY)
    assert (verdict.decision, verdict.failed) == (decision, ("screen",))
    assert "no look was spent" in verdict.reasons[0]
    assert f"{won} won, {lost} lost" in verdict.reasons[0]
    assert not verdict.comparisons


@pytest.mark.parametrize(("won", "lost"), [(2, 0), (6, 2), (30, 1)])
def test_who_passes_the_screen_still_needs_a_look(won: int, lost: int) -> None:
    verdict = decide(on_dev(**answers(won, lost)), POLICY)
    assert (verdict.decision, verdict.failed) == ("invalid", ("look",))


@given(st.integers(0, 20), st.integers(0, 20), st.sampled_from([None, 0.01, 0.15, 0.5]))
def test_without_a_look_nothing_is_ever_promoted(won: int, lost: int, screen: float | None) -> None:
    policy = dataclasses.replace(POLICY, screen=screen)
    verdict = decide(on_dev(**answers(won, lost)), policy)
    assert verdict.decision != "promote"
    assert screen is not None or verdict.failed == ("look",)


def test_without_a_champion_there_is_nobody_to_compare_with() -> None:
    assert decide(on_dev(candidate=[0.0] * 40), POLICY).failed == ("look",)


def test_only_rows_that_both_answered_are_compared() -> None:
    both = answers(0, 3)
    shorter = on_dev(candidate=both["candidate"], champion=both["champion"][:50])
    assert "on 50 dev rows, 0 won, 0 lost" in decide(shorter, POLICY).reasons[0]


def test_a_screen_says_why_although_the_gate_is_sealed() -> None:
    sealed = dataclasses.replace(POLICY, disclosure="sealed")
    verdict = decide(on_dev(**answers(4, 3)), sealed)
    assert "4 won, 3 lost" in verdict.reasons[0], "anybody may look at dev"
    assert verdict.decision == "inconclusive"


def test_an_adapter_that_answers_as_its_base_is_refused_by_name_with_or_without_a_look() -> None:
    found = on_dev(**answers(30, 1))
    same = dataclasses.replace(found.report, same_as_base=True)
    verdict = decide(dataclasses.replace(found, report=same), POLICY)
    assert (verdict.decision, verdict.failed) == ("reject", ("effect",))
    assert "all 81 dev rows are answered as the base alone answers them" in verdict.reasons[0]
    few = on_dev(**answers(3, 0, same=5))
    same = dataclasses.replace(few.report, same_as_base=True)
    assert decide(dataclasses.replace(few, report=same), POLICY).failed == ("look",)


def test_graded_answers_are_screened_by_their_signs() -> None:
    worse = {"candidate": [0.5] * 30, "champion": [0.6] * 30}
    better = {"candidate": [0.6] * 30, "champion": [0.5] * 30}
    assert decide(on_dev(**worse), POLICY).failed == ("screen",)
    assert decide(on_dev(**better), POLICY).failed == ("look",)
