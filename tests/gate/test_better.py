"""The superiority test holds its level for differences of any shape."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from pawl.gate.better import better
from pawl.gate.margins import rows_to_settle
from pawl.gate.mcnemar import mcnemar_p, unconditional_p
from pawl.gate.rules import EDITION
from pawl.gate.stats import Units, sign_flip_p, units

Draw = Callable[[np.random.Generator], Units]


def better_p(gain: Units, *, level: float) -> float:
    return better(gain, level=level, bounded=True, edition=EDITION)(1.0)


def graded(values: list[float], chances: list[float], rows: int = 300) -> Draw:
    """Rows whose differences take one of these values."""
    return lambda rng: Units(rng.choice(values, rows, p=chances), np.ones(rows))


def in_groups(win: float, lose: float, groups: int = 60, rows: int = 5) -> Draw:
    """Groups in which all rows gain `win`, but one in ten loses `lose` a row."""
    sizes = np.full(groups, float(rows))
    return lambda rng: Units(sizes * rng.choice([win, lose], groups, p=[0.9, 0.1]), sizes)


def uneven(rng: np.random.Generator) -> Units:
    """28 small groups gain for sure what two large ones lose on average."""
    sizes = np.repeat([10.0, 200.0], [28, 2])
    large = rng.choice([1.0, -1.0], 2, p=[0.29, 0.71])
    return Units(sizes * np.append(np.full(28, 0.6), large), sizes)


SKEWED: dict[str, Draw] = {
    "+.25 on 8 %, -1 on 2 %": graded([0.25, -1.0, 0.0], [0.08, 0.02, 0.90]),
    "+.1 on 10 %, -1 on 1 %": graded([0.1, -1.0, 0.0], [0.1, 0.01, 0.89]),
    "one group in ten loses all": in_groups(1 / 9, -1.0),
    "few large groups": uneven,
}


@pytest.mark.parametrize("level", [0.0025, 0.05])
@pytest.mark.parametrize("name", SKEWED)
def test_small_gains_paid_for_by_rare_large_losses_pass_at_most_at_the_level(
    name: str, level: float
) -> None:
    rng, times, passed, flips_alone = np.random.default_rng(4), 600, 0, 0
    for _ in range(times):
        gain = SKEWED[name](rng)
        passed += better_p(gain, level=level) < level
        flips_alone += sign_flip_p(gain.sums, flips=1000) < level
    most = times * level + 3 * (times * level) ** 0.5
    assert passed <= most
    if name in ("+.1 on 10 %, -1 on 1 %", "+.25 on 8 %, -1 on 2 %"):
        assert flips_alone > most, "or the example shows nothing"


def test_a_real_graded_gain_is_still_seen() -> None:
    rng = np.random.default_rng(5)
    gain = graded([0.5, -0.5, 0.0], [0.12, 0.02, 0.86])
    seen = sum(better_p(gain(rng), level=0.0025) < 0.0025 for _ in range(100))
    assert seen >= 70


def test_a_unit_that_never_differs_proves_nothing() -> None:
    assert better_p(units([0.0, 0.0], [None, None]), level=0.01) == 1.0


def test_graded_rows_get_the_larger_of_both_ps() -> None:
    gain = units([0.8, 0.7, 0.6, 0.5, 0.4], [None] * 5)
    # All five differences favour the candidate: one of 2^5 flips is as large.
    assert better_p(gain, level=0.01) >= sign_flip_p(gain.sums) == pytest.approx(1 / 32)


def test_rows_of_one_group_count_as_one_piece_of_evidence() -> None:
    alone = better_p(units([1.0] * 10, [None] * 10), level=0.01)
    grouped = better_p(units([1.0] * 10, ["a"] * 5 + ["b"] * 5), level=0.01)
    assert alone < 2 / 1024
    assert grouped >= 1 / 4


def test_grouped_rows_keep_the_level_where_single_rows_would_not() -> None:
    # No true gain, but all 10 rows of a customer go the same way.
    rng = np.random.default_rng(3)
    names = [f"c{n}" for n in np.repeat(np.arange(30), 10)]
    clustered = single = 0
    for _ in range(400):
        gain = np.repeat(rng.choice([-1.0, 1.0], 30), 10)
        clustered += better_p(units(gain, names), level=0.05) < 0.05
        single += mcnemar_p(int((gain > 0).sum()), int((gain < 0).sum())) < 0.05
    assert clustered <= 400 * 0.05 + 15
    assert single > 400 * 0.2


def test_a_level_too_small_to_be_drawn_fails_closed_and_soon() -> None:
    gain = Units(np.full(3000, 0.5), np.ones(3000))
    start = time.perf_counter()
    assert better_p(gain, level=1e-12) > 1e-12
    assert time.perf_counter() - start < 20


def test_rows_that_would_settle_it_do_settle_it() -> None:
    gain = units([1.0] * 6 + [-1.0] * 2 + [0.0] * 92, [None] * 100)
    p = better(gain, level=0.01, bounded=True, edition=EDITION)
    more = rows_to_settle(p, 100, level=0.01)
    assert more
    scale = (100 + more) / 100
    assert unconditional_p(round(6 * scale), round(2 * scale), 100 + more) < 0.01 * 1.1
    even = better(units([1.0, -1.0], [None, None]), level=0.01, bounded=True, edition=EDITION)
    assert rows_to_settle(even, 2, level=0.01) is None
