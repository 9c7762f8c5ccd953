"""The plan says what can be seen and what cannot be proved, before anything is trained."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pawl.gate.margins import not_worse
from pawl.gate.plan import sight, unprovable
from pawl.gate.stats import units
from pawl.params import Gate


def test_rows_of_one_group_count_once() -> None:
    alone, grouped = sight([None] * 200, Gate()), sight([f"g{i // 4}" for i in range(800)], Gate())
    assert (alone.units, grouped.units, grouped.rows) == (200, 200, 800)
    assert alone.smallest_gain == grouped.smallest_gain
    assert grouped.rows_for["5%"] == 4 * alone.rows_for["5%"]


@given(st.integers(1, 400), st.sampled_from([0.02, 0.05, 0.1]), st.sampled_from([0.05, 0.2]))
def test_a_guard_is_called_unprovable_exactly_where_rows_that_did_not_change_fail_it(
    rows: int, margin: float, alpha: float
) -> None:
    policy = Gate(alpha=alpha, guards={"schema_valid": margin})
    same = not_worse(units(np.zeros(rows), [None] * rows), margin, bounded=True)(1.0)
    named = unprovable([None] * rows, [None] * rows, policy)
    assert named == (("guard schema_valid",) if same >= alpha else ())


def test_a_slice_with_few_rows_is_named_and_one_with_many_is_not() -> None:
    slices = ["rare"] * 5 + ["common"] * 2000
    assert unprovable([None] * 2005, slices, Gate(slices=0.05)) == ("slice rare",)


def test_a_guard_without_an_upper_bound_needs_its_ten_rows() -> None:
    policy = Gate(guards={"seconds": 0.5})
    assert unprovable([None] * 9, [None] * 9, policy) == ("guard seconds",)
    assert unprovable([None] * 10, [None] * 10, policy) == ()


def test_no_rows_prove_nothing() -> None:
    assert sight([], Gate()).smallest_gain is None
    policy = Gate(guards={"schema_valid": 0.05})
    assert unprovable([], [], policy) == ("guard schema_valid",)
