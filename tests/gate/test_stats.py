"""The statistics against the textbook and against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, permutation_test

from pawl.gate.stats import (
    Units,
    interval,
    mcnemar_p,
    power,
    rows_needed,
    sign_flip_p,
    smallest_gain,
    units,
)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_exact_binomial_test_on_the_rows_that_differ(wins: int, losses: int) -> None:
    if wins + losses == 0:
        assert mcnemar_p(wins, losses) == 1.0
        return
    expected = binomtest(wins, wins + losses, 0.5, alternative="greater").pvalue
    assert mcnemar_p(wins, losses) == pytest.approx(expected)


def rows(*gain: float) -> Units:
    return units(gain, [None] * len(gain))


# Whole numbers: sums of fractions differ in their last bits, and scipy then misses ties.
@given(st.lists(st.integers(-1000, 1000).map(float), min_size=2, max_size=9))
def test_sign_flips_agree_with_scipys_permutation_test(gain: list[float]) -> None:
    if not any(gain):
        return
    found = permutation_test(
        (np.array(gain), np.zeros(len(gain))),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        alternative="greater",
        vectorized=True,
    )
    # scipy swaps rows that do not differ as well, which changes no share.
    assert sign_flip_p(np.array(gain)) == pytest.approx(found.pvalue, abs=1e-6)


def test_drawn_sign_flips_come_close_to_the_exact_binomial() -> None:
    gain = np.repeat([1.0, -1.0], [26, 10])
    assert sign_flip_p(gain) == pytest.approx(mcnemar_p(26, 10), abs=0.002)
    assert sign_flip_p(np.ones(200)) == pytest.approx(1 / 20_001), "never 0"


def test_intervals_cover_the_true_difference_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(1000):
        gain = rng.choice([1.0, -1.0, 0.0], 60, p=[0.08, 0.02, 0.9])
        low, high = interval(rows(*gain), bounded=True) or (0, 0)
        covered += low <= 0.06 <= high
    assert covered >= 930


def test_rows_without_a_difference_still_have_an_interval() -> None:
    low, high = interval(rows(*[0.0] * 30), bounded=True) or (0, 0)
    assert low < 0 < high
    assert interval(rows(0.3), bounded=False) is None


def test_few_groups_give_a_wide_interval_and_one_group_none() -> None:
    assert interval(units([1.0] * 300, ["a"] * 300), bounded=True) is None
    low, high = interval(units([1.0] * 300, ["a"] * 150 + ["b"] * 150), bounded=True) or (0, 0)
    assert low < 0 < high


def test_intervals_over_few_groups_cover_the_true_difference() -> None:
    rng = np.random.default_rng(6)
    names, covered = [f"c{n}" for n in np.repeat(np.arange(5), 20)], 0
    for _ in range(500):
        gain = np.repeat(rng.choice([1.0, -1.0, 0.0], 5, p=[0.3, 0.2, 0.5]), 20)
        low, high = interval(units(gain, names), bounded=True) or (0, 0)
        covered += low <= 0.1 <= high
    assert covered >= 465


def test_power_agrees_with_simulation() -> None:
    rng = np.random.default_rng(1)
    gain, rows, level, breaks = 0.06, 400, 0.01, 0.02
    draws = rng.multinomial(rows, [gain + breaks, breaks, 1 - gain - 2 * breaks], size=20_000)
    found = np.mean([mcnemar_p(int(w), int(lost)) <= level for w, lost, _ in draws[:4000]])
    assert power(gain, rows, level=level, breaks=breaks) == pytest.approx(found, abs=0.03)


def test_more_rows_see_smaller_gains() -> None:
    seen = [smallest_gain(n, level=0.0025, breaks=0.02) for n in (100, 300, 1000, 3000)]
    assert all(isinstance(gain, float) for gain in seen)
    assert seen == sorted(seen, key=lambda gain: -(gain or 0))
    assert smallest_gain(3, level=0.0025, breaks=0.02) is None
    assert rows_needed(0.05, level=0.0025, breaks=0.02) > rows_needed(
        0.10, level=0.0025, breaks=0.02
    )
