"""Packing changes how fast a step is and never what it learns."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from padded_batches import padded, some_rows
from transformers import CONFIG_MAPPING, AutoModelForCausalLM
from transformers.models.llama import modeling_llama

from pawl.config.schema import Train
from pawl.model.base import dequantised, load_base
from pawl.train import attention
from pawl.train.attention import CurrentPack
from pawl.train.fused import fused
from pawl.train.loss import _HeadLoss
from pawl.train.pack import EVEN, best_fit, packed
from pawl.train.passes import packed_mode, summed_loss
from pawl.train.qlora import adapted
from pawl.train.rows import Row

PARAMS = Train(rank=4, max_length=128, seed=3)
LENGTHS = st.lists(st.integers(1, 90), min_size=1, max_size=60)


@given(LENGTHS, st.integers(1, 120))
def test_every_row_is_in_one_pack_and_no_pack_overflows(lengths: list[int], room: int) -> None:
    packs = best_fit(lengths, room=room)
    assert sorted(row for pack in packs for row in pack) == list(range(len(lengths)))
    for pack in packs:
        assert sum(lengths[row] for row in pack) <= room or len(pack) == 1
    assert packs == best_fit(lengths, room=room)


@given(LENGTHS, st.integers(90, 400))
def test_no_two_packs_could_be_one(lengths: list[int], room: int) -> None:
    loads = sorted(sum(lengths[i] for i in pack) for pack in best_fit(lengths, room=room))
    assert len(loads) < 2 or loads[0] + loads[1] > room


@given(LENGTHS)
def test_a_pack_holds_whole_rows_and_targets_completions_alone(lengths: list[int]) -> None:
    rows = some_rows([n + 1 for n in lengths])
    for pack in packed(rows, room=200):
        ids, starts = pack.ids[0].tolist(), [0]
        for length in pack.lengths:
            starts.append(starts[-1] + length)
        assert starts[-1] == len(ids) == pack.positions.shape[1]
        inside = [tuple(ids[a:b]) for a, b in itertools.pairwise(starts)]
        # Besides them at most one filler row, short and of zeros.
        others = [tokens for tokens in inside if tokens not in {row.tokens for row in rows}]
        assert len(others) <= 1
        assert all(set(o) == {0} and len(o) < EVEN for o in others)
        assert len(ids) % EVEN == len(pack.read) % EVEN == 0
        assert len(set(pack.read.tolist())) == len(pack.read)
        assert max(pack.read) < len(ids)
        assert pack.read[: len(pack.at)].equal(pack.at)
        # A token predicts the next one, within the same row.
        assert [ids[at + 1] for at in pack.at.tolist()] == pack.targets.tolist()
        assert not set(starts[1:]) & {at + 1 for at in pack.at.tolist()}
    learned = sum(len(pack.targets) for pack in packed(rows, room=200))
    assert learned == sum(len(row) - row.prompt for row in rows)


def learned(model: Any, rows: list[Row], room: int) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients of the rows, packed."""
    model.zero_grad()
    total = torch.zeros(())
    with packed_mode(model):
        for pack in packed(rows, room=room):
            loss = summed_loss(model, pack)
            loss.backward()
            total += loss.detach()
    return float(total), gradients(model)


def plain(model: Any, rows: list[Row]) -> tuple[float, dict[str, torch.Tensor]]:
    """The same by transformers' and peft's own passes, each row alone."""
    model.zero_grad()
    total = torch.zeros(())
    for row in rows:
        loss = model(**padded([row], pad=0)).loss * (len(row) - row.prompt)
        loss.backward()
        total += loss.detach()
    return float(total), gradients(model)


def gradients(model: Any) -> dict[str, torch.Tensor]:
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def moved(model: Any) -> Any:
    """The adapter as after some steps: with B at zero A has no gradient."""
    generator = torch.Generator().manual_seed(5)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(0, 0.02, generator=generator)
    return model.train()


@pytest.mark.parametrize("room", [1, 64, 4096])
@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 1e-9])
def test_loss_and_gradients_of_a_pack_are_those_of_its_rows_alone(
    base_folder: Path, room: int, dense: bool, dropout: float
) -> None:
    # A dropout that drops nothing takes peft's path, as any dropout does.
    params = dataclasses.replace(PARAMS, dropout=dropout)
    base = load_base(base_folder, seed=1)
    model = moved(adapted(dequantised(base) if dense else base, params))
    rows = some_rows([40, 3, 90, 41, 8, 2, 17])
    loss, slopes = learned(model, rows, room)
    expected, wanted = plain(model, rows)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert slopes.keys() == wanted.keys()
    for name, slope in slopes.items():
        assert torch.allclose(slope, wanted[name], rtol=1e-3, atol=1e-4), name


FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"sliding_window": 16},
    "qwen2": {},
    "qwen3": {"head_dim": 24},
    "gemma": {"head_dim": 24},
    "phi3": {"pad_token_id": 0},
}


def small(family: str) -> Any:
    """A random base of a family, its keys and values shared by two heads each."""
    config = CONFIG_MAPPING[family](
        vocab_size=1000,
        hidden_size=96,
        intermediate_size=160,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        **FAMILIES[family],
    )
    torch.manual_seed(11)
    model = AutoModelForCausalLM.from_config(config).requires_grad_(False)
    for name, weight in model.named_parameters():
        if name.endswith("bias"):
            weight.normal_(0, 0.1)
    return model


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_every_family_learns_from_a_pack_what_it_learns_from_its_rows(
    family: str, checkpointing: bool
) -> None:
    model = moved(adapted(small(family), PARAMS))
    rows = some_rows([40, 3, 90, 41, 8, 2, 17])
    expected, wanted = plain(model, rows)
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    loss, slopes = learned(model, rows, room=4096)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert slopes.keys() == wanted.keys()
    for name, slope in slopes.items():
        assert torch.allclose(slope, wanted[name], rtol=1e-3, atol=1e-4), name


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("short", [0, 48, 512])
def test_a_pack_in_bf16_learns_the_same_but_for_rounding(
    family: str, short: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer rows use another kernel: none, some and all.
    monkeypatch.setattr(attention, "SHORT", short)
    model = moved(adapted(small(family), PARAMS))
    rows = some_rows([40, 3, 90, 41, 8, 2, 17])
    expected, wanted = plain(model, rows)
    for parameter in model.parameters():
        if not parameter.requires_grad:
            parameter.data = parameter.data.to(torch.bfloat16)
    loss, slopes = learned(model, rows, room=4096)
    assert loss == pytest.approx(expected, rel=2e-3)
    for name, slope in slopes.items():
        assert slope.dtype == torch.float32
        off = (slope - wanted[name]).norm() / wanted[name].norm()
        assert off < 0.03, name


def test_fused_modules_replace_llamas_and_are_removed_again(
    base_folder: Path,
) -> None:
    base = load_base(base_folder)
    before = [vars(module).get("forward") for module in base.modules()]
    rotate = modeling_llama.apply_rotary_pos_emb
    with fused(base, CurrentPack()):
        taken = [module for module in base.modules() if "forward" in vars(module)]
        kinds = {type(module).__name__ for module in taken}
        assert kinds == {"LlamaRMSNorm", "LlamaMLP"}
        assert len(taken) == 2 * len(base.model.layers) + 1 + len(base.model.layers)
        assert modeling_llama.apply_rotary_pos_emb is not rotate
    assert [vars(module).get("forward") for module in base.modules()] == before
    assert modeling_llama.apply_rotary_pos_emb is rotate


def test_a_row_changes_nothing_for_the_rows_beside_it(base_folder: Path) -> None:
    model = moved(adapted(load_base(base_folder), PARAMS)).eval()
    row, other, third = some_rows([30, 31, 29])
    with packed_mode(model), torch.no_grad():
        (alone,), (first,), (second,) = (
            packed(rows, room=200) for rows in ([row], [row, other], [row, other, third])
        )
        rest = summed_loss(model, packed([other], room=200)[0])
        last = summed_loss(model, packed([third], room=200)[0])
        one = summed_loss(model, alone)
        assert summed_loss(model, first) == pytest.approx(float(one + rest), rel=1e-5)
        assert summed_loss(model, second) == pytest.approx(float(one + rest + last), rel=1e-5)


def test_the_head_in_chunks_equals_the_plain_cross_entropy(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    hidden = torch.randn(37, 16, requires_grad=True)
    weight, bias, targets = torch.randn(101, 16), torch.randn(101), torch.randint(101, (37,))
    wanted = torch.nn.functional.cross_entropy(
        torch.nn.functional.linear(hidden, weight, bias), targets, reduction="sum"
    )
    (slope,) = torch.autograd.grad(wanted * 0.25, hidden)
    for chunk in (1, 101 * 5, 10**6):
        monkeypatch.setattr("pawl.train.loss.CHUNK", chunk)
        found = _HeadLoss.apply(hidden, weight, bias, targets)
        assert found.item() == pytest.approx(wanted.item(), rel=1e-6)
        (other,) = torch.autograd.grad(found * 0.25, hidden)
        assert torch.allclose(other, slope, atol=1e-5)
