"""A budget pays for its looks and no more, whatever is edited; fresh rows alone open another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.budget import Budget, Charge, fresh, level, unspent
from pawl.params import Gate
from pawl.records import Example, KnownRow, Message

POLICIES = st.builds(
    Gate,
    alpha=st.sampled_from([0.01, 0.05, 0.2]),
    looks=st.integers(1, 40),
    spending=st.sampled_from(["even", "front"]),
)


def row(key: str) -> Example:
    return Example(key, key, (Message("user", key),), "yes")


def known(key: str, look: int = 1, split: str = "gate", lineage: str = "t/s") -> KnownRow:
    return KnownRow(key, key, split, (Message("user", key),), "yes", lineage, look)  # type: ignore[arg-type]


@given(POLICIES)
def test_the_levels_of_all_looks_sum_to_alpha(policy: Gate) -> None:
    levels = [level(policy, n) for n in range(1, policy.looks + 1)]
    assert sum(levels) == pytest.approx(policy.alpha)
    assert levels == sorted(levels, reverse=True)


@given(POLICIES)
def test_a_policy_that_stays_gets_all_its_looks_and_then_none(policy: Gate) -> None:
    budget = Budget()
    for _ in range(policy.looks):
        charge = budget.next(policy, rows=100, fresh=0)
        assert charge
        budget = budget.take(charge) or Budget()
    assert budget.used == policy.looks
    assert budget.next(policy, rows=100, fresh=99) is None


@given(st.lists(st.tuples(POLICIES, st.integers(0, 150)), max_size=60))
def test_no_edit_of_the_policy_overspends_a_budget(edits: list[tuple[Gate, int]]) -> None:
    budget, spent, promised = Budget(), dict[int, float](), dict[int, float]()
    for policy, new in edits:
        charge = budget.next(policy, rows=100, fresh=new)
        if charge is None:
            continue
        after = budget.take(charge)
        assert after, "what is offered is also paid for"
        assert (
            charge.since == budget.since
            or new >= max(budget.rows, policy.min_rows)
            or (budget.looks == 0)
        )
        budget = after
        spent[charge.since] = spent.get(charge.since, 0) + charge.level
        promised.setdefault(charge.since, charge.alpha)
    assert all(spent[since] <= promised[since] * (1 + 1e-6) for since in spent)


def test_a_new_budget_needs_as_many_fresh_rows_as_the_last_began_with() -> None:
    policy = Gate(looks=1)
    budget = Budget().take(Charge(0.05, 0.05, 1, 100))
    assert budget
    assert budget.next(policy, rows=199, fresh=99) is None
    charge = budget.next(policy, rows=200, fresh=100)
    assert charge == Charge(0.05, 0.05, 2, 100)
    assert budget.take(Charge(0.05, 0.05, 2, 99)) is None, "written by hand, it is void"


def test_a_budget_judges_only_on_rows_that_no_other_budget_or_salt_has_held_out() -> None:
    rows = [row(key) for key in "abcde"]
    seen = [known("a", 1), known("b", 3), known("c", 1, lineage="t/old"), known("d", 3, "dev")]
    kept = unspent(rows, seen, lineage="t/s", since=3)
    assert [r.key for r in kept] == ["b", "e"]
    assert [r.key for r in unspent(rows, seen, lineage="t/s", since=1)] == ["a", "b", "e"]
    assert [r.key for r in fresh(rows, seen)] == ["e"]
