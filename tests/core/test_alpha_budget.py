"""A budget pays for its looks and no more, whatever is edited; fresh rows alone open another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.config.judging import Gate
from pawl.core.alpha_budget import (
    AlphaBudget,
    BudgetHistory,
    LookCost,
    fresh,
    level,
    share,
    unspent,
)
from pawl.core.records import Example, HeldOutRow, Message

POLICIES = st.builds(
    Gate,
    alpha=st.sampled_from([0.01, 0.05, 0.2]),
    looks=st.integers(1, 40),
    spending=st.sampled_from(["even", "front"]),
)


def row(key: str, text: str = "") -> Example:
    return Example(key, key, (Message("user", text or key),), "yes")


def known(key: str, look: int = 1, split: str = "gate", lineage: str = "t/s") -> HeldOutRow:
    return HeldOutRow(key, key, split, (Message("user", key),), "yes", lineage, look)  # type: ignore[arg-type]


@given(POLICIES, st.integers(1, 50))
def test_the_levels_of_all_looks_sum_to_the_budgets_share_of_alpha(policy: Gate, nth: int) -> None:
    levels = [level(policy, n, nth=nth) for n in range(1, policy.looks + 1)]
    assert sum(levels) == pytest.approx(share(policy.alpha, nth))
    assert levels == sorted(levels, reverse=True)


def test_the_shares_of_however_many_budgets_never_sum_above_alpha() -> None:
    shares = [share(0.05, nth) for nth in range(1, 10_001)]
    assert 0.0499 < sum(shares) < 0.05


@given(POLICIES)
def test_a_policy_that_stays_gets_all_its_looks_and_then_none(policy: Gate) -> None:
    budget, life = AlphaBudget(), BudgetHistory()
    for number in range(policy.looks):
        charge = budget.next(policy, life, rows=100, fresh=0 if number else 100)
        assert charge
        budget = budget.take(charge, life) or AlphaBudget()
        life = life.after(budget, charge)
    assert budget.used == policy.looks
    assert budget.next(policy, life, rows=100, fresh=99) is None


EDITS = st.tuples(POLICIES, st.integers(0, 150), st.sampled_from("ab"))


@given(st.lists(EDITS, max_size=60))
def test_no_edit_of_policy_or_salt_overspends_the_tasks_alpha(
    edits: list[tuple[Gate, int, str]],
) -> None:
    budgets, life = {"a": AlphaBudget(), "b": AlphaBudget()}, BudgetHistory()
    spent, highest = 0.0, 0.0
    for policy, new, salt in edits:
        charge = budgets[salt].next(policy, life, rows=100, fresh=new)
        if charge is None:
            continue
        after = budgets[salt].take(charge, life)
        assert after, "what is offered is also paid for"
        if charge.since != budgets[salt].since or not budgets[salt].looks:
            assert new >= life.needed(policy), "only fresh rows open a budget, after a new salt too"
            highest = max(highest, charge.alpha)
        budgets[salt], life = after, life.after(after, charge)
        spent += charge.level
    assert spent <= highest * (1 + 1e-6)


def test_a_new_budget_needs_as_many_fresh_rows_as_the_largest_look_judged() -> None:
    policy, life = Gate(looks=1), BudgetHistory()
    first = LookCost(0.025, 0.05, 1, 100)
    budget = AlphaBudget().take(first, life)
    assert budget
    life = life.after(budget, first)
    assert budget.next(policy, life, rows=199, fresh=99) is None
    charge = budget.next(policy, life, rows=200, fresh=100)
    assert charge == LookCost(pytest.approx(0.05 / 6), 0.05, 2, 100)
    assert budget.take(LookCost(0.05 / 6, 0.05, 2, 99), life) is None, "written by hand, it is void"
    assert AlphaBudget().take(LookCost(0.05 / 6, 0.05, 1, 99), life) is None, (
        "a new salt is no way out"
    )


def test_a_budget_judges_only_on_rows_that_no_other_budget_or_salt_has_held_out() -> None:
    rows = [row(key) for key in "abcde"]
    seen = [known("a", 1), known("b", 3), known("c", 1, lineage="t/old"), known("d", 3, "dev")]
    kept = unspent(rows, seen, split_id="t/s", since=3)
    assert [r.key for r in kept] == ["b", "e"]
    assert [r.key for r in unspent(rows, seen, split_id="t/s", since=1)] == ["a", "b", "e"]
    assert [r.key for r in fresh(rows, seen)] == ["e"]


def test_a_judged_row_that_was_retyped_is_not_fresh_again() -> None:
    rows = [row("new", "A, comma!"), row("other", "C++?")]
    seen = [
        HeldOutRow("old", "old", "gate", (Message("user", "a comma"),), "yes", "t/s", 1),
        HeldOutRow("c", "c", "gate", (Message("user", "c"),), "yes", "t/s", 1),
    ]
    assert [r.key for r in fresh(rows, seen)] == ["other"], "an operator is no punctuation"
    assert [r.key for r in unspent(rows, seen, split_id="t/s", since=2)] == ["other"]
    assert unspent(rows, seen, split_id="t/s", since=1) == rows, "its own budget goes on"


@pytest.mark.parametrize("copy", ["A, comma!", "A comma", "“a” comma?"])
def test_a_prompt_that_the_gate_split_repeats_is_one_piece_of_evidence_however_it_is_typed(
    copy: str,
) -> None:
    rows = [row("first", "a comma"), row("again", copy), row("other")]
    assert [r.key for r in fresh(rows, [])] == ["first", "other"]
    assert [r.key for r in unspent(rows, [], split_id="t/s", since=1)] == ["first", "other"]


@given(st.lists(st.sampled_from("abcde"), max_size=20), st.integers(1, 5))
def test_copying_the_data_many_times_earns_no_rows(keys: list[str], times: int) -> None:
    rows = [row(key) for key in keys]
    assert fresh(rows * times, []) == fresh(rows, [])
    assert len(fresh(rows, [])) == len(set(keys))
