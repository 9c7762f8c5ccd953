"""A fast path is taken if it computes what the model itself does, and else given up."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from padded_batches import some_rows
from transformers import LlamaConfig, LlamaForCausalLM

from pawl.config.schema import Train
from pawl.core.records import Choices
from pawl.errors import BaseError, TrainError
from pawl.model.base import dequantised, load_base
from pawl.train import fused, loss, same
from pawl.train.agreement import agreed
from pawl.train.attention import _attend, pack_layout
from pawl.train.qlora import adapted

PARAMS = Train(rank=4, max_length=128, seed=3)
ROWS = some_rows([40, 3, 90, 41])


@pytest.fixture(scope="module")
def model(base_folder: Path) -> Any:
    return adapted(dequantised(load_base(base_folder, compute=torch.float32)), PARAMS)


def test_rows_are_packed_where_that_agrees_and_nothing_is_left_behind(model: Any) -> None:
    choices, found = agreed(model, ROWS, Choices())
    assert choices == Choices()
    assert found.given_up == ()
    assert max(found.loss_error, found.gradient_error) < 1e-5
    assert all(weight.grad is None for weight in model.parameters())


def test_a_head_that_is_read_wrongly_gives_way_to_the_models_own(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss, "after_head", lambda _: (0.5, None))
    choices, found = agreed(model, ROWS, Choices())
    assert choices.passes == "own"
    assert [text.partition(":")[0] for text in found.given_up] == ["packed", "rows"]
    assert all("gradient by" in text for text in found.given_up)


def test_rows_that_see_each_other_in_a_pack_are_taken_apart(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_row(lengths: Any, read: Any) -> Any:
        return pack_layout([sum(lengths)], read)

    monkeypatch.setattr("pawl.train.passes.pack_layout", one_row)
    choices, found = agreed(model, ROWS, Choices())
    assert choices.passes == "rows"
    assert "by itself" in choices.says() or "a row at a time" in choices.says()
    assert len(found.given_up) == 1


def test_a_base_whose_own_loss_is_no_number_is_refused_by_its_family(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight = model.get_base_model().model.norm.weight
    monkeypatch.setattr(weight, "data", torch.full_like(weight, float("nan")))
    with pytest.raises(BaseError, match="family 'llama' cannot be trained here: its loss is nan"):
        agreed(model, ROWS, Choices())


@pytest.mark.parametrize(
    ("named", "refused"),
    [({"new": 1}, True), ({"dropout": 0.1}, True), ({"is_causal": False}, True),
     ({"new": None}, False), ({"dropout": 0.0, "position_ids": 1}, False)],
)  # fmt: skip
def test_attention_refuses_every_argument_that_it_does_not_know(
    named: dict[str, Any], refused: bool
) -> None:
    q = torch.randn(1, 2, 6, 8)
    layout = pack_layout([2, 4], torch.arange(6))
    if not refused:
        assert _attend(q, q, q, layout, **named).shape == (1, 6, 2, 8)
        return
    with pytest.raises(TrainError, match=next(iter(named))):
        _attend(q, q, q, layout, **named)


class _Norm(torch.nn.Module):
    """Llama's, or one that differs in what `kind` says."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(32))
        self.variance_epsilon, self.kind = 1e-6, kind

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.kind == "centred":
            x = x - x.mean(-1, keepdim=True)
        x = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.variance_epsilon)
        return x * (self.weight + (self.kind == "shifted"))


@pytest.mark.parametrize(
    ("kind", "found"), [("llama", (1e-6, 0.0)), ("shifted", (1e-6, 1.0)), ("centred", None)]
)
def test_a_norm_is_replaced_by_what_it_computes_and_not_by_its_code(kind: str, found: Any) -> None:
    assert same.plain_norm(_Norm(kind), fused._Norm.apply) == found


def test_a_rotation_that_turns_the_other_way_is_left_alone() -> None:
    def turned(q: Any, k: Any, cos: Any, sin: Any) -> Any:
        return fused._rotate(q, k, cos, -sin)

    assert same.same_rotation(fused._rotate, fused._rotate)
    assert not same.same_rotation(turned, fused._rotate)


def test_choices_of_earlier_versions_are_those_of_packs() -> None:
    assert Choices().passes == "packed"
    told = {dataclasses.replace(Choices(), passes=p).says() for p in ("packed", "rows", "own")}
    assert len(told) == 3


def deep_base() -> Any:
    """30 layers in bfloat16: its own gradient is some 5 % off that of float32, as SmolLM2's is."""
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=1024, hidden_size=64, intermediate_size=128, num_hidden_layers=30,
        num_attention_heads=4, num_key_value_heads=2, initializer_range=0.13,
    )  # fmt: skip
    return LlamaForCausalLM(config).to(torch.bfloat16).eval().requires_grad_(False)


def test_rounding_in_bfloat16_gives_no_fast_path_up() -> None:
    choices, found = agreed(adapted(deep_base(), PARAMS), ROWS, Choices())
    assert choices.passes == "packed"
    assert found.gradient_error > 0.05, "the base is one whose rounding is seen"


def test_rows_that_see_each_other_are_told_from_rounding_in_bfloat16(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def one_row(lengths: Any, read: Any) -> Any:
        return pack_layout([sum(lengths)], read)

    monkeypatch.setattr("pawl.train.passes.pack_layout", one_row)
    choices, _ = agreed(adapted(deep_base(), PARAMS), ROWS, Choices())
    assert choices.passes == "rows"
