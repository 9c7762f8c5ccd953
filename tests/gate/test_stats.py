"""The statistics against the textbook and against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from pawl.gate.stats import mcnemar_p, more_rows, paired_p, power, rows_needed, smallest_gain


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_exact_binomial_test_on_the_rows_that_differ(wins: int, losses: int) -> None:
    if wins + losses == 0:
        assert mcnemar_p(wins, losses) == 1.0
        return
    expected = binomtest(wins, wins + losses, 0.5, alternative="greater").pvalue
    assert mcnemar_p(wins, losses) == pytest.approx(expected)


def test_sign_flips_of_few_graded_rows_are_counted_exactly() -> None:
    # All five differences favour the candidate: one of 2^5 flips is as large.
    assert paired_p([0.9, 0.8, 0.7, 0.6, 0.5], [0.1] * 5) == pytest.approx(1 / 32)
    assert paired_p([0.5, 0.5], [0.5, 0.5]) == 1.0


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


def test_rows_that_would_settle_it_do_settle_it() -> None:
    more = more_rows(6, 2, 100, level=0.01)
    assert more is not None
    scale = (100 + more) / 100
    assert mcnemar_p(round(6 * scale), round(2 * scale)) < 0.01
    assert more_rows(2, 2, 100, level=0.01) is None
    assert math.isfinite(more)
