"""How prompts share batches and a cache is tried against the model's own logits without one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from pawl.errors import BaseError
from pawl.model.cached_batches import batches, sharing

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
from baselab.families import FAMILIES, random_base


def prompts(prefix: int, rests: tuple[int, ...]) -> list[list[int]]:
    draw = torch.Generator().manual_seed(2)

    def tokens(count: int) -> list[int]:
        return torch.randint(5, 500, (count,), generator=draw).tolist()

    shared = tokens(prefix)
    return [shared + tokens(count) for count in rests]


@pytest.mark.parametrize(
    ("name", "prefix", "found"),
    [
        ("Llama", 40, "padded"),
        # Windows of 24 tokens: nothing is seen of padding if prompt and answer fit in one.
        ("Mistral with windows", 3, "padded"),
        ("Mistral with windows", 40, "even"),
        # Its bias counts places, those of padding too, which its layers do not tell.
        ("MPT", 40, "even"),
    ],
)
def test_padding_behind_a_prefix_is_given_up_where_the_base_sees_it(
    name: str, prefix: int, found: str
) -> None:
    base: Any = random_base(*FAMILIES[name])
    asked = prompts(prefix, (3, 9, 5, 9))
    assert sharing(base, asked, pad=0, more=8) == found
    parts = [rows for rows, _ in batches(base, asked, pad=0, batch_size=3, share=found)]  # type: ignore[arg-type]
    assert sorted(row for rows in parts for row in rows) == [0, 1, 2, 3]
    lengths = [{len(asked[row]) for row in rows} for rows in parts]
    assert found == "padded" or all(len(one) == 1 for one in lengths)


def test_a_base_whose_cache_changes_its_answers_is_refused_by_its_family() -> None:
    base: Any = random_base(*FAMILIES["Mamba"])
    with pytest.raises(BaseError, match="family 'mamba' gives other logits with a cache"):
        sharing(base, prompts(40, (3, 9)), pad=0, more=8)


def deep_base() -> Any:
    """30 layers in bfloat16: single words' logits differ by more than 0.1 from rounding alone."""
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=4096, hidden_size=64, intermediate_size=128, num_hidden_layers=30,
        num_attention_heads=4, num_key_value_heads=2, initializer_range=0.12,
    )  # fmt: skip
    return LlamaForCausalLM(config).to(torch.bfloat16).eval()


def test_rounding_in_bfloat16_is_no_difference() -> None:
    base, asked = deep_base(), prompts(40, (3, 21))
    assert sharing(base, asked, pad=0, more=8) == "padded"


def test_what_a_window_counts_is_told_from_rounding_in_bfloat16() -> None:
    base: Any = random_base(*FAMILIES["Mistral with windows"]).to(torch.bfloat16)
    assert sharing(base, prompts(40, (3, 9, 5, 9)), pad=0, more=8) == "even"
