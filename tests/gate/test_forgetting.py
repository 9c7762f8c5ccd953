"""The forgetting guard: a rise above what is allowed is final, a missing figure blocks."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.config.schema import Gate
from pawl.gate.forgetting import forgetting, unmeasured

ASKS = Gate(forgetting=0.1)


@given(st.floats(1, 1e6), st.floats(0.5, 2), st.floats(0, 1))
def test_the_guard_holds_as_far_as_the_allowed_rise_and_no_further(
    base: float, ratio: float, allowed: float
) -> None:
    worn = base * ratio
    holds, says = forgetting({"base": base, "candidate": worn}, allowed)
    assert holds == (worn / base - 1 <= allowed)
    assert ("keeps" if holds else "breaks") in says


@pytest.mark.parametrize("odd", [None, math.nan, math.inf, 0.0])
@pytest.mark.parametrize("name", ["base", "candidate"])
def test_a_figure_that_is_missing_or_odd_blocks_where_the_policy_asks(
    name: str, odd: float | None
) -> None:
    general = {"base": 20.0, "candidate": 20.0}
    assert unmeasured(general, ASKS) == []
    if odd is None:
        del general[name]
    else:
        general[name] = odd
    assert name in unmeasured(general, ASKS)[0]
    assert unmeasured(general, Gate()) == []
