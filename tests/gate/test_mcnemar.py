"""McNemar's tests against the textbook, against brute force, and against the worst nuisance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, multinomial

from pawl.gate import mcnemar
from pawl.gate.mcnemar import fewest_wins, mcnemar_p, unconditional_p


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_conditional_test_is_the_sign_test_of_the_rows_that_differ(
    wins: int, losses: int
) -> None:
    if wins + losses == 0:
        assert mcnemar_p(wins, losses) == 1.0
        return
    expected = binomtest(wins, wins + losses, 0.5, alternative="greater").pvalue
    assert mcnemar_p(wins, losses) == pytest.approx(expected)


def outcomes(units: int) -> list[tuple[int, int]]:
    return [(won, lost) for won in range(units + 1) for lost in range(units + 1 - won)]


@pytest.mark.parametrize("units", [1, 2, 5, 12, 25])
@pytest.mark.parametrize("level", [0.2, 0.05, 0.01])
def test_whoever_is_no_better_passes_at_most_at_the_level_whatever_share_of_rows_differs(
    units: int, level: float
) -> None:
    passing = np.array(
        [
            (w, lost, units - w - lost)
            for w, lost in outcomes(units)
            if unconditional_p(w, lost, units) < level
        ]
    ).reshape(-1, 3)
    for lose in np.linspace(0.01, 1, 40):
        for win in np.linspace(0, min(lose, 1 - lose), 5):
            shares = [win, lose, max(0.0, 1 - win - lose)]
            assert float(np.sum(multinomial.pmf(passing, units, shares))) < level + 1e-9


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 50), st.data())
def test_its_p_is_the_largest_over_every_share_and_hardly_more(
    units: int, data: st.DataObject
) -> None:
    wins = data.draw(st.integers(0, units))
    losses = data.draw(st.integers(0, units - wins))
    assume(wins + losses)
    observed = binom.sf(wins, wins + losses, 0.5) + binom.pmf(wins, wins + losses, 0.5) / 2
    counts, shares = np.arange(units + 1), np.linspace(0, 1, 400)
    # What speaks as clearly, by number of differing rows (down) and wins (across).
    differ, won = counts[:, None], counts[None, :]
    chance = binom.pmf(won, differ, 0.5)
    as_clear = binom.sf(won, differ, 0.5) + chance / 2 <= observed * (1 + 1e-9)
    passing = (chance * as_clear).sum(axis=1)
    reached = (binom.pmf(counts, units, shares[:, None]) * passing).sum(axis=1).max()
    p = unconditional_p(wins, losses, units)
    assert reached * (1 - 1e-9) <= p <= min(1.0, reached * 1.02 + 1e-12)


@given(st.integers(1, 40), st.data())
def test_a_row_more_won_or_fewer_lost_never_raises_the_p(units: int, data: st.DataObject) -> None:
    wins = data.draw(st.integers(0, units - 1))
    losses = data.draw(st.integers(0, units - 1 - wins))
    here = unconditional_p(wins, losses, units)
    assert unconditional_p(wins + 1, losses, units) <= here * 1.002
    if losses:
        assert unconditional_p(wins, losses - 1, units) <= here * 1.002
        assert unconditional_p(wins + 1, losses - 1, units) <= here * 1.002


@pytest.mark.parametrize("units", [3, 40, 200, 700])
@pytest.mark.parametrize("level", [0.025, 0.0025, 0.0003])
def test_the_fewest_wins_pass_and_one_fewer_does_not(units: int, level: float) -> None:
    need = fewest_wins(units, level)
    assert need.shape == (units + 1,)
    for differ in range(1, units + 1, max(1, units // 9)):
        fewest = int(need[differ])
        if fewest <= differ:
            assert unconditional_p(fewest, differ - fewest, units) < level
        if fewest:
            lost = differ - fewest + 1
            assert unconditional_p(fewest - 1, lost, units) >= level * 0.995


def test_it_sees_more_than_the_conditional_test_at_the_same_level() -> None:
    rng, rows, level = np.random.default_rng(2), 200, 0.0025
    draws = rng.multinomial(rows, [0.115, 0.035, 0.85], size=3000)
    seen = np.mean([unconditional_p(int(w), int(lost), rows) < level for w, lost, _ in draws])
    given_ = np.mean([mcnemar_p(int(w), int(lost)) < level for w, lost, _ in draws])
    assert seen > given_ + 0.04


def test_with_very_many_rows_the_conditional_test_decides() -> None:
    units = mcnemar.MOST_UNITS + 1
    assert unconditional_p(60, 40, units) == mcnemar_p(60, 40)
    assert int(fewest_wins(units, 0.01)[100]) == next(
        w for w in range(101) if mcnemar_p(w, 100 - w) < 0.01
    )


def test_where_no_row_differs_nothing_is_shown() -> None:
    assert unconditional_p(0, 0, 100) == 1.0
