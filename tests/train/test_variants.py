"""DoRA, LoRA+ and targets match their papers; an adapter without effect is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from padded_batches import some_rows
from prepared import TASK, examples, prepared, stopped_after

from pawl.config.schema import Train
from pawl.core.records import Choices, Training, read_record
from pawl.errors import DataError, TrainError
from pawl.model.adapter import WEIGHTS, load_adapter, read_adapter
from pawl.model.base import dequantised, load_base
from pawl.train.loop import Loop
from pawl.train.qlora import adapted
from pawl.train.row_loss import mean_loss, row_losses
from pawl.train.rows import token_rows
from pawl.train.run import train

# One output of the tiny base's v_proj has no weights, which DoRA cannot scale.
DORA = {
    "dora": True,
    "targets": ("down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj"),
}
PARAMS = Train(rank=4, epochs=3, batch_size=4, max_length=128, seed=3)


def learned(base_folder: Path, params: Train, rows: Any) -> tuple[Any, list[dict[str, Any]]]:
    """A model trained on the rows, and its trainable weights after each step."""
    model = adapted(load_base(base_folder, seed=params.seed), params)
    loop, seen = Loop(model, rows, params=params), []
    seen.append({name: weight.detach().clone() for name, weight in loop.weights.items()})
    loop.run(lambda _: seen.append({n: w.detach().clone() for n, w in loop.weights.items()}))
    return model, seen


def test_dora_gives_each_output_a_magnitude_and_keeps_lora_for_its_direction(
    base_folder: Path,
) -> None:
    params = dataclasses.replace(PARAMS, **DORA)
    model, seen = learned(base_folder, params, some_rows([20, 30, 9, 14]))
    dense = dequantised(load_base(base_folder))
    moved = 0
    for name, layer in model.named_modules():
        if not hasattr(layer, "lora_magnitude_vector"):
            continue
        path = name.removeprefix("base_model.model.")
        weight = dense.get_submodule(path).weight
        a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        key = f"{name}.lora_magnitude_vector.default.weight"
        # Liu et al. 2024, eq. 5: m starts at the norms of W, and W' = m (W + s B A) / |W + s B A|.
        assert torch.allclose(seen[0][key], weight.norm(dim=1), rtol=1e-5)
        moved += not torch.equal(seen[0][key], seen[-1][key])
        direction = weight + layer.scaling["default"] * b @ a
        wanted = seen[-1][key][:, None] * direction / direction.norm(dim=1, keepdim=True)
        x = torch.randn(5, weight.shape[1], generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            assert torch.allclose(layer.eval()(x), x @ wanted.T, rtol=1e-4, atol=1e-4), name
    assert moved == 6 * model.config.num_hidden_layers


def test_dora_on_an_output_without_weights_is_refused_before_it_divides_by_zero(
    base_folder: Path,
) -> None:
    with pytest.raises(TrainError, match="all zero: v_proj"):
        adapted(load_base(base_folder), dataclasses.replace(PARAMS, dora=True))


def test_lora_plus_gives_b_its_multiple_of_the_learning_rate_and_a_the_plain_one(
    base_folder: Path,
) -> None:
    rows = some_rows([20, 30, 9, 14])
    plus = dataclasses.replace(PARAMS, lora_plus=4, learning_rate=1e-3)
    fast = dataclasses.replace(PARAMS, learning_rate=4e-3)
    (_, ours), (_, theirs) = (learned(base_folder, params, rows) for params in (plus, fast))
    # The first step has rate 0; in the second A has no gradient, since B is zero; in the third all
    # gradients are those of the plain training at four times the rate, so that A moves a quarter.
    assert len(ours) == 4
    for name, start in ours[0].items():
        if ".lora_B." in name:
            assert ours[2][name].any()
            assert torch.equal(ours[3][name], theirs[3][name])
        else:
            assert torch.equal(ours[2][name], start)
            mine, other = ours[3][name] - start, theirs[3][name] - start
            assert mine.any()
            assert torch.allclose(4 * mine, other, atol=1e-6)


@pytest.mark.slow
def test_only_the_targets_that_are_named_are_trained(base_folder: Path, tmp_path: Path) -> None:
    workspace = prepared(tmp_path, base_folder, rank=4, targets=["v_proj", "q_proj"], epochs=1)
    train(workspace, TASK)
    folder = workspace.files(TASK).adapter
    assert list(read_adapter(folder).params["targets"]) == ["v_proj", "q_proj"]
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["target_modules"] == ["q_proj", "v_proj"]


@pytest.mark.parametrize("variant", [{**DORA, "lora_plus": 4}, {"targets": ["v_proj"]}])
@pytest.mark.slow
def test_a_variant_resumes_to_the_same_bytes_and_is_loaded_as_it_was_trained(
    base_folder: Path,
    tokenizer: Any,
    tmp_path: Path,
    variant: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, cut = (
        prepared(tmp_path / name, base_folder, rank=4, rows=12, **variant) for name in ("a", "b")
    )
    train(whole, TASK)
    with monkeypatch.context() as patch:
        stopped_after(2, patch)
        with pytest.raises(TrainError, match="asked to end"):
            train(cut, TASK)
    train(cut, TASK)
    folder = whole.files(TASK).adapter
    assert (cut.files(TASK).adapter / WEIGHTS).read_bytes() == (folder / WEIGHTS).read_bytes()
    found = read_record(whole.files(TASK).training, Training)
    read_adapter(folder)
    model = load_adapter(dequantised(load_base(base_folder)), folder, name="candidate")
    rows = token_rows(examples(10, start=500), tokenizer, max_length=128)
    assert mean_loss(model, rows, choices=Choices(room=512)) == pytest.approx(
        found.dev_loss, rel=1e-4
    )


@pytest.mark.slow
@pytest.mark.parametrize("variant", [{}, DORA])
def test_an_adapter_without_effect_is_refused(
    base_folder: Path, tmp_path: Path, variant: dict[str, Any]
) -> None:
    # Its B is not zero; but what it adds is lost in rounding.
    workspace = prepared(tmp_path, base_folder, rank=4, learning_rate=1e-9, **variant)
    with pytest.raises(TrainError, match="has no effect: on none of 10 dev rows"):
        train(workspace, TASK)
    assert not workspace.files(TASK).adapter.exists()


def test_a_training_without_dev_rows_is_refused(base_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no dev rows"):
        train(prepared(tmp_path, base_folder, rank=4, epochs=1, dev=[]), TASK)


def test_losses_a_row_sum_to_the_mean_and_one_that_is_no_number_is_named(base_folder: Path) -> None:
    rows = some_rows([20, 31, 9, 14, 90])
    model = adapted(load_base(base_folder), PARAMS)
    apart = [row_losses(model, [row], choices=Choices(room=512))[0] for row in rows]
    assert row_losses(model, rows, choices=Choices(room=64)) == pytest.approx(apart, rel=1e-5)
    tokens = sum(len(row) - row.prompt for row in rows)
    assert mean_loss(model, rows, choices=Choices(room=64)) == pytest.approx(
        sum(apart) / tokens, rel=1e-6
    )
    with torch.no_grad():
        # Not q_proj: torch's attention on CPU gives short rows numbers where q is none.
        next(p for n, p in model.named_parameters() if "down_proj.lora_B" in n).fill_(float("nan"))
    with pytest.raises(TrainError, match="on 5 of 5 rows: r0, r1, r2, r3, r4"):
        row_losses(model, rows, choices=Choices(room=64))
