"""The statistics against the textbook and against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, permutation_test

from pawl.gate.mcnemar import mcnemar_p
from pawl.gate.stats import Units, gain_after_selection, interval, sign_flip_p, units


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


@pytest.mark.parametrize("true", [0.03, 0.05])
def test_gains_that_passed_are_flattered_and_the_shrunken_ones_are_not(true: float) -> None:
    rng, level = np.random.default_rng(8), 0.0025
    passed, shrunken = [], []
    for _ in range(4000):
        gain = rows(*rng.choice([1.0, -1.0, 0.0], 300, p=[true + 0.03, 0.03, 0.94 - true]))
        low, _ = interval(gain, bounded=True) or (0, 0)
        error = (gain.mean - low) / 1.968
        if gain.mean / error > norm.isf(level):
            passed.append(gain.mean)
            shrunken.append(gain_after_selection(gain, bounded=True, level=level) or 0.0)
    assert np.mean(np.array(passed) > true) > 0.6
    assert np.mean(np.array(shrunken) > true) == pytest.approx(0.45, abs=0.12)


def test_a_shrunken_gain_lies_between_nothing_and_the_gain() -> None:
    for wins in range(1, 60):
        gain = rows(*[1.0] * wins, *[-1.0] * 5, *[0.0] * 100)
        shrunken = gain_after_selection(gain, bounded=True, level=0.01)
        if gain.mean <= 0:
            assert shrunken is None
        else:
            assert 0 <= (shrunken or 0.0) <= gain.mean
    assert gain_after_selection(rows(0.3), bounded=True, level=0.01) is None
