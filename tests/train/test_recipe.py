"""The recipe of a new task: published where it was published, and less where a base is wider."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.config.schema import Train
from pawl.train.recipe import BATCH, MOST, NARROW, STEPS, STEPS_NARROW, chosen


@pytest.mark.parametrize(
    ("family", "width", "rate"),
    [
        # QLoRA's own: 7B, 13B, 33B and 65B.
        *(("llama", width, rate) for width, rate in ((4096, 2e-4), (5120, 2e-4))),
        *(("llama", width, rate) for width, rate in ((6656, 1e-4), (8192, 1e-4))),
        # 1B, and what was measured: SmolLM2-135M and the tiny base.
        *(("llama", width, rate) for width, rate in ((2048, 3e-4), (576, 9e-4), (256, 2e-3))),
        ("qwen2", 896, 2e-4),
        ("qwen3", 4096, 2e-4),
    ],
)
def test_rates_are_those_that_were_published_or_measured(
    family: str, width: int, rate: float
) -> None:
    assert chosen(width=width, family=family, rows=1000).train["learning_rate"] == rate


@given(
    st.integers(16, 16_384), st.sampled_from(["llama", "qwen3", "gemma2"]), st.integers(0, 10**6)
)
def test_every_recipe_is_valid_and_says_what_it_is_by(width: int, family: str, rows: int) -> None:
    made = chosen(width=width, family=family, rows=rows)
    train = Train(**made.train)
    assert f"{width:,} wide" in made.why
    assert f"rate {train.learning_rate:g}" in made.why
    wanted, least = STEPS_NARROW if width < NARROW else STEPS
    epoch = max(1, rows) / BATCH
    assert least <= train.epochs <= MOST
    assert train.epochs in (least, MOST) or wanted <= train.epochs * epoch < wanted + epoch


def test_a_wider_base_never_gets_a_higher_rate_or_scale() -> None:
    for family in ("llama", "qwen2"):
        made = [chosen(width=width, family=family, rows=500).train for width in range(64, 9000, 64)]
        for one, wider in itertools.pairwise(made):
            assert wider["learning_rate"] <= one["learning_rate"]
            assert wider["alpha"] <= one["alpha"]
            assert wider["epochs"] <= one["epochs"]
