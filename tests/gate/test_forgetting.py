"""The forgetting guard: a rise above what is allowed is final, a missing figure blocks."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.config.judging import Gate
from pawl.gate.forgetting import forgetting, unmeasured

GUARDED = Gate(forgetting=0.1)


@given(st.floats(1, 1e6), st.floats(0.5, 2), st.floats(0, 1))
def test_the_guard_holds_up_to_the_allowed_rise(base: float, ratio: float, allowed: float) -> None:
    adapted = base * ratio
    holds, says = forgetting({"base": base, "candidate": adapted}, allowed)
    assert holds == (adapted / base - 1 <= allowed)
    assert ("keeps" if holds else "breaks") in says


@pytest.mark.parametrize("odd", [None, math.nan, math.inf, 0.0])
@pytest.mark.parametrize("name", ["base", "candidate"])
def test_a_figure_that_is_missing_or_not_finite_blocks_if_forgetting_is_guarded(
    name: str, odd: float | None
) -> None:
    general = {"base": 20.0, "candidate": 20.0}
    assert unmeasured(general, GUARDED) == []
    if odd is None:
        del general[name]
    else:
        general[name] = odd
    assert name in unmeasured(general, GUARDED)[0]
    assert unmeasured(general, Gate()) == []
