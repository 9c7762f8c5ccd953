"""Worth it? The sentences follow from the figures, and say plainly when prompting wins."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pawl.config.schema import Cost
from pawl.core.records import Champion, Comparison, Contender, EvalReport, Timing, Verdict, Worth
from pawl.evaluate.worth import worth

COST = Cost(prompt_tokens=2.0, output_tokens=10.0, train_hour=3.0)


def judged(
    mine: float = 0.9,
    other: float = 0.6,
    *,
    passed: bool = True,
    prompt: float = 400.0,
    metric: str = "exact_match",
    cost: Cost | None = COST,
    all_beaten: bool = True,
    won: int = 5,
    kept: tuple[str, ...] = (),
    by_schema: bool = False,
) -> Worth | None:
    """The worth of a candidate against the long prompt; training took half an hour."""
    contenders = [
        Contender("candidate", "dev", 9, {metric: 0.0}, 50.0, 20.0),
        Contender("candidate", "gate", 9, {metric: mine}, 50.0, 20.0),
        Contender("long-prompt", "gate", 9, {metric: other}, prompt, 30.0, by_schema=by_schema),
    ]
    comparison = Comparison("long-prompt", metric, mine, other, won, 0, 0.001, 0.01, passed)
    champion = Comparison("champion", metric, mine, mine, 0, 0, 1.0, 0.01, False)
    second = Comparison("zero-shot", metric, mine, other, 5, 0, 0.001, 0.01, all_beaten)
    verdict = Verdict(
        "t", "promote", (), "digest", Champion(), None, (champion, comparison, second), {}, {}
    )
    report = EvalReport(
        "t", "base", "digest", Champion(), None, None, 0, tuple(contenders), {}, "scores"
    )
    timing = Timing({"gate/candidate": 0.1, "gate/long-prompt": 0.4}, kept)
    return worth(verdict, report, timing, training=1800.0, cost=cost)


def test_what_a_call_saves_pays_for_the_training_after_so_many_calls() -> None:
    found = judged()
    assert found is not None
    assert (found.prompt_tokens, found.output_tokens) == (350.0, 10.0)
    assert found.cost is not None
    assert abs(found.cost - (350 * 2 + 10 * 10) / 1e6) < 1e-12
    assert (found.training, found.calls) == (1.5, 1875)
    assert any("350 prompt tokens less" in line for line in found.says)
    assert "beats prompting" in found.says[0]
    assert "1,875 calls" in found.says[-1]


@given(st.floats(0, 1), st.floats(0, 1))
def test_prompting_wins_exactly_where_the_best_baseline_is_not_beaten(
    mine: float, other: float
) -> None:
    found = judged(mine, other, passed=False)
    assert found is not None
    assert ("prompting wins" in found.says[0]) == (mine < other)
    assert ("no better than prompting" in found.says[0]) == (mine == other)
    assert ("paid for" in found.says[-1]) == (mine > other)


def test_a_prompt_whose_decoding_was_held_is_said_to_be() -> None:
    for mine in (0.9, 0.6, 0.3):
        plain, held = judged(mine), judged(mine, by_schema=True)
        assert plain is not None
        assert held is not None
        assert held.says[0].replace(", its decoding held to the task's schema", "") == plain.says[0]
        assert held.says[0] != plain.says[0]


def test_where_no_row_differs_neither_has_won() -> None:
    found = judged(0.0, 0.0, passed=False, won=0)
    assert found is not None
    assert "nothing was decided" in found.says[0]
    assert "prompting wins" not in " ".join(found.says)


def test_a_gain_that_luck_may_explain_is_not_called_a_win() -> None:
    found = judged(passed=False)
    assert found is not None
    assert "luck is not ruled out" in found.says[0]


def test_an_adapter_that_one_prompt_may_equal_is_not_called_better_than_prompting() -> None:
    found = judged(all_beaten=False)
    assert found is not None
    assert not found.beaten
    assert "luck is not ruled out" in found.says[0]


def test_seconds_of_another_hour_are_named_as_such() -> None:
    for kept in ((), ("gate/zero-shot",), ("gate/long-prompt",)):
        found = judged(kept=kept)
        assert found is not None
        assert ("different runs" in found.says[1]) == ("gate/long-prompt" in kept)


def test_a_saving_too_small_to_count_never_pays_back() -> None:
    found = judged(cost=Cost(prompt_tokens=5e-324, output_tokens=0.0, train_hour=3.0))
    assert found is not None
    assert found.calls is None


def test_of_a_metric_that_falls_less_is_a_gain() -> None:
    found = judged(0.1, 0.4, metric="char_error")
    assert found is not None
    assert found.gain > 0
    assert "beats prompting" in found.says[0]


def test_a_training_whose_calls_save_nothing_never_pays_back() -> None:
    found = judged(prompt=-500.0)
    assert found is not None
    assert found.calls is None
    assert "never pays back" in found.says[-1]


def test_without_prices_only_tokens_and_seconds_are_told() -> None:
    found = judged(cost=None)
    assert found is not None
    assert (found.cost, found.training, found.calls) == (None, None, None)
    assert not any("paid" in line for line in found.says)
    assert "0.3000 seconds less" in found.says[1]


def test_where_nothing_was_compared_nothing_is_said() -> None:
    verdict = Verdict("t", "invalid", ("broken",), None, Champion(), None, (), {}, {})
    report = EvalReport("t", "base", "digest", Champion(), None, None, 0, (), {}, "scores")
    assert worth(verdict, report, Timing({}), training=1.0, cost=COST) is None
