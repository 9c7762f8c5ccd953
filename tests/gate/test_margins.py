"""Guards let harm pass at most at their level, and prove what is harmless."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.core.metrics import bounded
from pawl.gate.margins import holm, not_worse, rows_to_settle
from pawl.gate.stats import units

ALPHA = 0.05


def p_of(gain: np.ndarray, margin: float, groups: list[str] | None = None) -> float:
    return not_worse(units(gain, groups or [None] * len(gain)), margin, bounded=True)(1.0)


@pytest.mark.parametrize("rows", [5, 30, 300])
@pytest.mark.parametrize(("loss", "win"), [(0.05, 0.0), (0.10, 0.05), (0.45, 0.40)])
def test_harm_of_exactly_the_margin_passes_at_most_at_the_level(
    rows: int, loss: float, win: float
) -> None:
    rng = np.random.default_rng(rows)
    draws = rng.choice([-1.0, 1.0, 0.0], (1500, rows), p=[loss, win, 1 - loss - win])
    passed = sum(p_of(gain, 0.05) < ALPHA for gain in draws)
    assert passed <= 1500 * ALPHA + 3 * (1500 * ALPHA) ** 0.5


def test_harm_in_whole_groups_passes_at_most_at_the_level() -> None:
    rng = np.random.default_rng(2)
    names = [f"c{n}" for n in np.repeat(np.arange(40), 8)]
    passed = 0
    for _ in range(1000):
        gain = np.repeat(rng.choice([-1.0, 1.0, 0.0], 40, p=[0.25, 0.15, 0.6]), 8)
        passed += p_of(gain, 0.1, names) < ALPHA
    assert passed <= 1000 * ALPHA + 21


def test_ten_rows_without_a_loss_prove_nothing_and_hundreds_do() -> None:
    assert p_of(np.zeros(10), 0.02) > ALPHA
    assert p_of(np.zeros(400), 0.02) < ALPHA


@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0, 0.25]), min_size=1, max_size=60))
def test_a_wider_margin_is_never_harder_to_keep(gain: list[float]) -> None:
    # Up to what the spread over a finite number of bets costs.
    values = np.array(gain)
    assert p_of(values, 0.3) <= p_of(values, 0.05) * 1.25 + 1e-9


def test_rows_that_would_settle_a_guard_do_settle_it() -> None:
    gain = np.array([-1.0] + [0.0] * 99)
    p = not_worse(units(gain, [None] * 100), 0.05, bounded=True)
    more = rows_to_settle(p, 100, level=0.01)
    assert more
    assert p((100 + more) / 100) < 0.01
    worse = not_worse(units(np.array([-1.0] * 9 + [0.0]), [None] * 10), 0.05, bounded=True)
    assert rows_to_settle(worse, 10, level=0.01) is None


def test_seconds_and_perplexity_are_tested_by_students_t() -> None:
    gain = units(np.array([-0.01, 0.02, 0.0, -0.02, 0.01] * 8), [None] * 40)
    assert not_worse(gain, 0.05, bounded=False)(1.0) < 1e-6
    assert not_worse(units([-1.0], [None]), 0.05, bounded=False)(1.0) > 0.5


def test_values_without_a_bound_that_all_went_alike_prove_no_more_than_their_number() -> None:
    few = not_worse(units([0.0] * 9, [None] * 9), 0.05, bounded=False)
    assert few(1.0) == 1.0
    alike = not_worse(units([0.0] * 40, [None] * 40), 0.05, bounded=False)
    assert alike(1.0) == 0.5**40
    assert not_worse(units([0.0] * 3000, [None] * 3000), 0.05, bounded=False)(1.0) > 0
    nearly = not_worse(units([0.0, 1e-12] * 6, [None] * 12), 0.05, bounded=False)
    assert nearly(1.0) >= 0.5**12


@pytest.mark.parametrize("rows", [2, 5, 30, 100])
def test_rare_garbled_answers_pass_a_guard_on_char_error_at_most_at_the_level(rows: int) -> None:
    # Each tenth answer is wholly wrong: a true harm of .10 against a margin of .05.
    rng = np.random.default_rng(rows)
    draws = -rng.binomial(1, 0.1, (1000, rows)).astype(float)
    assert bounded("char_error")
    passed = sum(p_of(gain, 0.05) < ALPHA for gain in draws)
    assert passed <= 1000 * ALPHA + 21


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_only_raises_p_keeps_their_order_and_never_beyond_bonferroni(p: list[float]) -> None:
    adjusted = holm(p)
    for one, raised in zip(p, adjusted, strict=True):
        assert one <= raised <= min(1.0, one * len(p)) + 1e-12
    order = sorted(range(len(p)), key=p.__getitem__)
    assert [adjusted[i] for i in order] == sorted(adjusted)


def test_holm_gives_the_textbooks_numbers() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
