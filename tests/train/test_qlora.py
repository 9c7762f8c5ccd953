"""QLoRA: base weights stay bit-identical, the adapter moves, the loss covers completions."""

from __future__ import annotations

import dataclasses
import resource
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from padded_batches import padded

from pawl.config.schema import Train
from pawl.core.files import digest_json
from pawl.core.records import AdapterManifest, BaseRef, Example, Message
from pawl.errors import AdapterError, DataError, TrainError, disk_full_error
from pawl.model.adapter import load_adapter, read_adapter
from pawl.model.base import base_info, dequantised, load_base
from pawl.model.prompt import prompt_tokens
from pawl.train.qlora import adapted, save
from pawl.train.rows import token_rows
from pawl.train.training import fit

PARAMS = Train(rank=4, epochs=1, batch_size=4, max_length=128, seed=3)
EXAMPLES = [
    Example(f"r{i}", f"{i:016x}", (Message("user", f"order {i} is late"),), f'{{"order":{i}}}')
    for i in range(12)
]


def trained(base_folder: Path, tokenizer: Any, params: Train = PARAMS) -> Any:
    rows = token_rows(EXAMPLES, tokenizer, max_length=params.max_length)
    model = adapted(load_base(base_folder, seed=params.seed), params)
    fit(model, rows, rows[:4], params=params)
    return model


def frozen_bytes(model: torch.nn.Module) -> dict[str, bytes]:
    """All parameters that are not LoRA's, as raw bytes."""
    return {
        name: value.detach().contiguous().view(torch.uint8).numpy().tobytes()
        for name, value in model.named_parameters()
        if "lora_" not in name
    }


def test_base_weights_stay_bit_identical_and_lora_weights_move(
    base_folder: Path, tokenizer: Any
) -> None:
    model = adapted(load_base(base_folder, seed=PARAMS.seed), PARAMS)
    before = frozen_bytes(model)
    lora = {n: p.detach().clone() for n, p in model.named_parameters() if "lora_" in n}
    rows = token_rows(EXAMPLES, tokenizer, max_length=PARAMS.max_length)
    fit(model, rows, rows[:4], params=PARAMS)
    assert frozen_bytes(model) == before
    after = dict(model.named_parameters())
    assert all(not torch.equal(after[name], value) for name, value in lora.items())


def test_the_base_is_nf4_with_double_quantisation_and_lora_sits_on_every_linear_layer(
    base_folder: Path,
) -> None:
    import bitsandbytes as bnb

    model = adapted(load_base(base_folder), PARAMS)
    layers = {n: m for n, m in model.named_modules() if isinstance(m, bnb.nn.Linear4bit)}
    assert len(layers) == 7 * model.config.num_hidden_layers
    for name, layer in layers.items():
        assert name.endswith(".base_layer")
        assert layer.weight.quant_state.quant_type == "nf4"
        assert layer.weight.quant_state.nested


def gradients(model: Any, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    model.train()
    model.zero_grad()
    model(**batch).loss.backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def test_gradients_after_an_evaluation_pass_equal_those_before(
    base_folder: Path, tokenizer: Any
) -> None:
    model = trained(base_folder, tokenizer)
    rows = token_rows(EXAMPLES[:4], tokenizer, max_length=128)
    batch = padded(rows, pad=tokenizer.pad_token_id)
    before = gradients(model, batch)
    model.eval()
    with torch.no_grad():
        model(**batch)
        model(input_ids=batch["input_ids"][:1, :1])
    after = gradients(model, batch)
    assert before
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_prompt_is_masked_and_the_completion_with_its_end_is_not(tokenizer: Any) -> None:
    (row,) = token_rows(EXAMPLES[:1], tokenizer, max_length=128)
    prompt = prompt_tokens(tokenizer, EXAMPLES[0].messages)
    assert list(row.tokens[: row.prompt]) == prompt
    answer = row.tokens[row.prompt :]
    assert tokenizer.decode(answer[:-1]) == EXAMPLES[0].completion
    assert answer[-1] == tokenizer.eos_token_id


def test_a_row_that_does_not_fit_is_an_error_and_never_truncated(tokenizer: Any) -> None:
    with pytest.raises(DataError, match="row 'r0' has"):
        token_rows(EXAMPLES, tokenizer, max_length=8)


def manifest(base_folder: Path) -> AdapterManifest:
    base = base_info(BaseRef(base_folder.name), base_folder.parent)
    return AdapterManifest("t", base, "d", 4, {}, ("k",), {})


def test_the_same_training_gives_the_same_bytes(
    base_folder: Path, tokenizer: Any, tmp_path: Path
) -> None:
    made = manifest(base_folder)
    digests = [
        save(trained(base_folder, tokenizer), made, tmp_path / name).digest for name in ("a", "b")
    ]
    assert digests[0] == digests[1]
    assert read_adapter(tmp_path / "a", base=made.base.digest).digest == digests[0]


def test_a_learning_rate_that_explodes_ends_the_run_with_its_step(
    base_folder: Path, tokenizer: Any
) -> None:
    model = adapted(load_base(base_folder), PARAMS)
    with torch.no_grad():
        next(p for n, p in model.named_parameters() if "lora_A" in n).fill_(float("nan"))
    rows = token_rows(EXAMPLES, tokenizer, max_length=128)
    with pytest.raises(TrainError, match=r"loss.* at step 1 is not .* its rows: r\d+, "):
        fit(model, rows, rows[:4], params=PARAMS)


def test_an_adapter_that_learned_nothing_is_refused(base_folder: Path, tmp_path: Path) -> None:
    model = adapted(load_base(base_folder), PARAMS)
    with pytest.raises(TrainError, match="zero"):
        save(model, manifest(base_folder), tmp_path / "zero")
    assert not (tmp_path / "zero").exists()


def test_decoding_weights_are_the_values_that_nf4_stands_for(
    base_folder: Path, tokenizer: Any
) -> None:
    model = load_base(base_folder).eval()
    batch = padded(token_rows(EXAMPLES, tokenizer, max_length=128), pad=tokenizer.pad_token_id)
    with torch.no_grad():
        packed = model(**batch).logits.clone()
        dense = dequantised(model)(**batch).logits
    assert torch.allclose(packed, dense, atol=1e-4)


def test_an_altered_cut_or_foreign_adapter_is_refused(
    base_folder: Path, tokenizer: Any, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "adapter"
    made = save(trained(base_folder, tokenizer), manifest(base_folder), folder)
    with pytest.raises(AdapterError, match="works only on that base"):
        read_adapter(folder, base=digest_json("another base"))
    weights = load_file(folder / "adapter_model.safetensors")
    weights.pop(next(iter(weights)))
    save_file(weights, folder / "adapter_model.safetensors")
    with pytest.raises(AdapterError, match="has digest"):
        read_adapter(folder, base=made.base.digest)
    with pytest.raises(AdapterError, match="does not fit the base"):
        load_adapter(dequantised(load_base(base_folder)), folder, name="cut")
    (folder / "extra.bin").write_bytes(b"")
    with pytest.raises(AdapterError, match=r"extra\.bin"):
        read_adapter(folder)


def test_a_full_disk_is_an_error_of_the_disk_and_the_old_adapter_stays(
    base_folder: Path, tokenizer: Any, tmp_path: Path
) -> None:
    target = tmp_path / "adapter"
    saved = save(trained(base_folder, tokenizer), manifest(base_folder), target)
    learned_more = trained(base_folder, tokenizer, dataclasses.replace(PARAMS, seed=2))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            save(learned_more, manifest(base_folder), target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert disk_full_error(caught.value) is not None
    assert read_adapter(target) == saved
