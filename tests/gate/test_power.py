"""The gate's power: which gains it detects and which guards it cannot prove."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.config.judging import Gate
from pawl.gate.better import better
from pawl.gate.margins import not_worse
from pawl.gate.mcnemar import unconditional_p
from pawl.gate.power import gate_power, power, rows_needed, smallest_gain, unprovable_guards
from pawl.gate.rules import EDITION
from pawl.gate.stats import units


def test_rows_of_one_group_count_once() -> None:
    alone, grouped = (
        gate_power([None] * 200, Gate()),
        gate_power([f"g{i // 4}" for i in range(800)], Gate()),
    )
    assert (alone.units, grouped.units, grouped.rows) == (200, 200, 800)
    assert alone.smallest_gain == grouped.smallest_gain
    assert grouped.rows_for["5%"] == 4 * alone.rows_for["5%"]


@given(st.integers(1, 400), st.sampled_from([0.02, 0.05, 0.1]), st.sampled_from([0.05, 0.2]))
def test_a_guard_is_called_unprovable_exactly_where_rows_that_did_not_change_fail_it(
    rows: int, margin: float, alpha: float
) -> None:
    policy = Gate(alpha=alpha, guards={"schema_valid": margin})
    same = not_worse(units(np.zeros(rows), [None] * rows), margin, bounded=True)(1.0)
    names = unprovable_guards([None] * rows, [None] * rows, policy)
    assert names == (("guard schema_valid",) if same >= alpha else ())


def test_a_slice_with_few_rows_is_named_and_one_with_many_is_not() -> None:
    slices = ["rare"] * 5 + ["common"] * 2000
    assert unprovable_guards([None] * 2005, slices, Gate(slices=0.05)) == ("slice rare",)


def test_a_guard_without_an_upper_bound_needs_its_ten_rows() -> None:
    policy = Gate(guards={"seconds": 0.5})
    assert unprovable_guards([None] * 9, [None] * 9, policy) == ("guard seconds",)
    assert unprovable_guards([None] * 10, [None] * 10, policy) == ()


@pytest.mark.parametrize("metric", ["seconds", "perplexity", "output_tokens"])
def test_a_metric_without_a_bound_has_no_detectable_gain_in_points(metric: str) -> None:
    power = gate_power([None] * 300, Gate(metric=metric))
    assert (power.smallest_gain, power.last_gain, power.rows_for) == (None, None, {})
    assert gate_power([None] * 300, Gate(metric="char_error")).smallest_gain


def test_a_graded_gain_called_detectable_is_detected_four_times_in_five() -> None:
    power = gate_power([None] * 300, Gate(metric="field_accuracy"))
    gain, rng = power.smallest_gain or 0, np.random.default_rng(3)
    won, lost = 2 * gain + power.breaks, power.breaks
    found = 0
    for _ in range(40):
        rows = rng.choice([0.5, -0.5, 0.0], 300, p=[won, lost, 1 - won - lost])
        p = better(units(rows, [None] * 300), level=power.level, bounded=True, edition=EDITION)
        found += p(1.0) < power.level
    assert found >= 32


def test_no_rows_prove_nothing() -> None:
    assert gate_power([], Gate()).smallest_gain is None
    policy = Gate(guards={"schema_valid": 0.05})
    assert unprovable_guards([], [], policy) == ("guard schema_valid",)


def test_power_agrees_with_simulation() -> None:
    rng = np.random.default_rng(1)
    gain, rows, level, breaks = 0.06, 400, 0.01, 0.02
    draws = rng.multinomial(rows, [gain + breaks, breaks, 1 - gain - 2 * breaks], size=20_000)
    found = np.mean(
        [unconditional_p(int(w), int(lost), rows) < level for w, lost, _ in draws[:4000]]
    )
    assert power(gain, rows, level=level, breaks=breaks) == pytest.approx(found, abs=0.03)


def test_more_rows_see_smaller_gains() -> None:
    seen = [smallest_gain(n, level=0.0025, breaks=0.02) for n in (100, 300, 1000, 3000)]
    assert all(isinstance(gain, float) for gain in seen)
    assert seen == sorted(seen, key=lambda gain: -(gain or 0))
    assert smallest_gain(3, level=0.0025, breaks=0.02) is None
    assert rows_needed(0.05, level=0.0025, breaks=0.02) > rows_needed(
        0.10, level=0.0025, breaks=0.02
    )


def test_what_can_be_seen_of_preferences_follows_from_the_pairs_that_are_compared() -> None:
    asked = gate_power([None] * 500, Gate(metric="preference", pairs=100))
    assert asked == gate_power([None] * 100, Gate(metric="preference"))
