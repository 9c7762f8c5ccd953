"""Choices change no trained value, and peak memory is as predicted."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from padded_batches import some_rows

from pawl.config.schema import Train
from pawl.core.records import BaseRef, Choices, Example, Message
from pawl.errors import BaseError, UsageError
from pawl.model.base import find_base, find_config, load_base
from pawl.train import trainings
from pawl.train.calibrate import calibrate
from pawl.train.choices import LEAST, PLAIN, ROOM, fastest_first
from pawl.train.device import GIB, KEPT, LIBRARIES, OTHERS, Device, computes, here, named, settled
from pawl.train.fit import Fit, choose, remedies
from pawl.train.memory import Load, peak
from pawl.train.pack import packed
from pawl.train.passes import packed_mode, summed_loss
from pawl.train.plan import assumed, plan
from pawl.train.process_group import SINGLE
from pawl.train.qlora import adapted, prepared
from pawl.train.training import fit
from pawl.train.trainings import chosen

ROOT = Path(__file__).parents[2]
MAPS = Path("/proc/self/maps")
PARAMS = Train(rank=4, epochs=1, batch_size=4, max_length=128, seed=3, precision="float32")
ROWS = some_rows([40, 3, 90, 41, 8, 2, 17, 60])
CHECKPOINTING = Choices(checkpointing=True)
# A Llama's config; `bench/planning.py` has some with weights.
OUTLINE: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 7,
    "vocab_size": 512,
}
LARGE = {
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "num_hidden_layers": 32,
    "vocab_size": 128256,
}


def outline(folder: Path, **changed: Any) -> Path:
    """A folder with a config.json and nothing else."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(OUTLINE | changed), encoding="utf-8")
    return folder


def load(lengths: list[int], *, several: bool = False) -> Load:
    """One pack of these rows, learned and read."""
    (pack,) = packed(some_rows(lengths), room=10**6)
    return Load(pack, pack, several)


def card(size: float) -> Device:
    """A CUDA card of so many GiB."""
    return Device("a card", cuda=True, memory=int(size * GIB), here=False)


def slopes(base_folder: Path, choices: Choices, **changed: Any) -> dict[str, torch.Tensor]:
    """Gradients of one pack; the adapter as after some steps."""
    model = prepared(base_folder, dataclasses.replace(PARAMS, **changed), choices).train()
    generator = torch.Generator().manual_seed(5)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(0, 0.02, generator=generator)
    torch.manual_seed(7)
    (pack,) = packed(ROWS, room=ROOM)
    with packed_mode(model, choices):
        loss = summed_loss(model, pack)
        loss.backward()
    found = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    return {"loss": loss.detach(), **found}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_checkpointing_and_unpacking_once_change_no_bit_of_loss_and_gradients(
    base_folder: Path, dropout: float, precision: str
) -> None:
    plain = slopes(base_folder, PLAIN, dropout=dropout, precision=precision)
    assert len(plain) > 50
    changed = [CHECKPOINTING]
    # With dropout peft's own passes are taken, whose sums differ between NF4 and dense.
    changed += [Choices("dense"), Choices("dense", checkpointing=True)] if not dropout else []
    for choices in changed:
        other = slopes(base_folder, choices, dropout=dropout, precision=precision)
        assert other.keys() == plain.keys()
        assert all(torch.equal(other[name], plain[name]) for name in plain), choices


@pytest.mark.skipif(not MAPS.exists(), reason="Linux alone says what a process has mapped")
@pytest.mark.parametrize("choices", [PLAIN, Choices("dense")])
def test_a_bases_file_is_not_mapped_after_loading(
    base_folder: Path, tmp_path: Path, choices: Choices
) -> None:
    # The tiny base is saved in bfloat16: loaded in it, its weights are the file's own bytes.
    folder = shutil.copytree(base_folder, tmp_path / "base")
    model = prepared(folder, dataclasses.replace(PARAMS, precision="bfloat16"), choices)
    assert model.dtype == torch.bfloat16
    assert str(folder) not in MAPS.read_text(encoding="utf-8")


def test_checkpointing_is_off_after_the_training(base_folder: Path) -> None:
    model = adapted(load_base(base_folder), PARAMS)
    assert fit(model, ROWS, ROWS[:2], params=PARAMS, choices=CHECKPOINTING).choices == CHECKPOINTING
    assert not model.get_base_model().is_activation_checkpointing


def test_a_config_alone_is_enough_to_plan_and_not_enough_to_train(
    tmp_path: Path, base_folder: Path
) -> None:
    (tmp_path / "base").mkdir()
    shutil.copy(base_folder / "config.json", tmp_path / "base")
    base = BaseRef("base")
    with pytest.raises(BaseError, match=r"no \*\.safetensors"):
        find_base(base, tmp_path)
    folder = find_config(base, tmp_path)
    found = plan(folder, ((), ()), PARAMS, here(), train_hour=2.0)
    assert found.fits
    assert found.says[0].endswith("tokens, in float32, as `train.precision` asks")
    assert (found.tokens, found.speed, found.seconds, found.cost) == (None, None, None, None)
    assert "are assumed" in found.says[1]
    assert found.says[-1] == "no time estimate: the base's weights are not here"


def test_with_weights_a_few_real_steps_estimate_time_and_cost(
    base_folder: Path,
) -> None:
    rows = [
        Example(f"r{i}", f"{i:016x}", (Message("user", f"order {i} is late"),), f'{{"order":{i}}}')
        for i in range(24)
    ]
    found = plan(base_folder, (rows, rows[:4]), PARAMS, here(), train_hour=2.0)
    assert found.speed is not None
    assert found.tokens is not None
    assert found.seconds == pytest.approx(found.tokens / found.speed.tokens_per_second)
    assert found.cost == pytest.approx(found.seconds * 2 / 3600)
    other = plan(base_folder, (rows, rows[:4]), PARAMS, named("24GB"), train_hour=2.0)
    assert (other.tokens, other.speed) == (found.tokens, None)


def test_a_base_that_is_too_large_to_be_timed_here_is_not_timed(tmp_path: Path) -> None:
    assert calibrate(outline(tmp_path / "8b", **LARGE), some_rows([400] * 9), PARAMS, PLAIN) is None


@pytest.mark.parametrize(
    ("choices", "rank", "several"),
    [
        (PLAIN, 4, False),
        (PLAIN, 64, True),
        (CHECKPOINTING, 64, False),
        (Choices("dense"), 4, False),
    ],
)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_deep_base_is_the_sum_of_its_layers(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    choices: Choices,
    rank: int,
    several: bool,
    precision: str,
) -> None:
    changed: dict[str, Any] = {"rank": rank, "precision": precision}
    folder, params = outline(tmp_path), dataclasses.replace(PARAMS, **changed)
    few = load([5, 9], several=several)
    found = peak(folder, params, few, choices, cuda=False)
    monkeypatch.setattr("pawl.model.live_memory.LONG", 7)
    whole = peak(folder, params, few, choices, cuda=False)
    assert found.total == pytest.approx(whole.total, rel=1e-3)
    for part, size in whole.parts.items():
        assert found.parts[part] == pytest.approx(size, rel=1e-3, abs=4096), part


def test_each_choice_trades_memory_as_intended(tmp_path: Path) -> None:
    folder, rows = outline(tmp_path), load([200] * 5)

    def need(choices: Choices) -> int:
        return peak(folder, PARAMS, rows, choices, cuda=False).total

    assert need(CHECKPOINTING) < need(PLAIN) < need(Choices("dense"))
    for part, size in peak(folder, PARAMS, rows, PLAIN, cuda=True).parts.items():
        assert size >= 0, part


def test_an_8b_base_trains_on_2048_tokens_within_8_gib_and_a_70b_base_within_46(
    tmp_path: Path,
) -> None:
    eight = outline(tmp_path / "8b", **LARGE)
    seventy = outline(
        tmp_path / "70b",
        **LARGE
        | {"hidden_size": 8192, "intermediate_size": 28672, "num_attention_heads": 64}
        | {"num_hidden_layers": 80},
    )
    params = Train(rank=16, max_length=2048)
    for folder, most in ((eight, 8.0), (seventy, 46.0)):
        found = peak(folder, params, load([2048]), CHECKPOINTING, cuda=True)
        assert 0.8 * most < found.total / GIB <= most


def test_the_fastest_choices_come_first_and_those_with_least_memory_last() -> None:
    found = fastest_first(some_rows([100] * 64), Train(batch_size=16, max_length=512))
    assert found[0] == Choices("dense", checkpointing=False, room=ROOM)
    assert found[-1] == Choices("nf4", checkpointing=True, room=LEAST)
    assert len(set(found)) == len(found)
    (room,) = {choices.room for choices in fastest_first(assumed(PARAMS), Train(max_length=9000))}
    assert room == 9000


@pytest.mark.slow
def test_a_card_with_less_memory_gets_choices_that_take_less(
    tmp_path: Path,
) -> None:
    folder = outline(tmp_path / "8b", **LARGE)
    rows, params = some_rows([500] * 4), Train(rank=16, batch_size=4, max_length=512)
    order = fastest_first(rows, params)
    places = []
    for size in (80, 10):
        device = card(size)
        found = choose(folder, rows, rows[:2], params, device)
        assert found.fits
        assert found.peak.total <= device.usable
        places.append(order.index(found.choices))
    assert places == sorted(set(places))
    assert order[places[-1]].weights == "nf4"
    assert found == choose(folder, rows, rows[:2], params, card(size))


def test_on_a_cpu_with_little_memory_malloc_returns_freed_memory_and_choices_use_all_of_it(
    tmp_path: Path,
) -> None:
    folder = outline(tmp_path / "base", num_hidden_layers=2)
    rows = some_rows([100] * 4)
    least = peak(folder, PARAMS, load([100] * 4), Choices(checkpointing=True), cuda=False).total

    def choose_with(times: float) -> Fit:
        """The choices if this multiple of the least memory may be used."""
        memory = int(LIBRARIES + times * least / (1 - OTHERS))
        return choose(
            folder, rows, rows, PARAMS, Device("cpu", cuda=False, memory=memory, here=False)
        )

    ample, scarce, tight, none = map(choose_with, (9, 2.2, 1.01, 0.9))
    assert [found.choices.gives_back for found in (ample, scarce, tight, none)] == [
        False,
        *[True] * 3,
    ]
    assert [found.fits for found in (ample, scarce, tight, none)] == [True, True, True, False]
    # The fastest choices again, with malloc returning freed memory.
    assert scarce.choices == dataclasses.replace(ample.choices, gives_back=True)
    assert tight.choices.checkpointing
    assert "giving back" in scarce.choices.says()
    assert "giving back" not in ample.choices.says()


def test_malloc_returns_freed_memory_from_the_first_rank_on_if_the_last_one_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = outline(tmp_path / "base", hidden_size=512, num_hidden_layers=4)
    rows = some_rows([100] * 4)
    fastest = fastest_first(rows, PARAMS)[0]
    params = dataclasses.replace(PARAMS, rank=8)
    least = peak(folder, params, load([100] * 4), fastest, cuda=False).total
    memory = int(LIBRARIES + 1.1 * KEPT * least / (1 - OTHERS))
    monkeypatch.setattr(
        trainings, "here", lambda: Device("cpu", cuda=False, memory=memory, here=True)
    )
    for largest, gives_back in ((8, False), (512, True)):
        found = chosen(folder, rows, rows, params, SINGLE, sharded=False, largest=largest)
        assert found == dataclasses.replace(fastest, gives_back=gives_back)


def test_processes_share_a_cpu_and_have_a_gpu_each() -> None:
    cpu = Device("cpu", cuda=False, memory=24 * GIB, here=True)
    assert cpu.shared(1) == cpu
    assert cpu.shared(4).memory == 6 * GIB
    assert card(24).shared(4) == card(24)


@pytest.mark.slow
def test_remedies_do_fit(tmp_path: Path) -> None:
    folder = outline(tmp_path / "8b", **LARGE)
    params = Train(rank=64, batch_size=1, max_length=4096)
    rows, device = some_rows([4096] * 2), card(9)
    assert not choose(folder, rows, rows, params, device).fits
    by_rank, by_length, other = remedies(folder, rows, rows, params, device)
    rank, length = (int(text.split("`")[1].split(": ")[1]) for text in (by_rank, by_length))
    assert 1 <= rank < 64
    smaller = dataclasses.replace(params, rank=rank)
    assert choose(folder, rows, rows, smaller, device).fits
    larger = dataclasses.replace(params, rank=rank + 2)
    assert not choose(folder, rows, rows, larger, device).fits
    assert 32 <= length < 4096
    assert "(2 of 2 train rows are longer)" in by_length
    short, cut = some_rows([length] * 2), dataclasses.replace(params, max_length=length)
    assert choose(folder, short, short, cut, device).fits
    assert other.startswith("a device with ")
    size = float(other.removeprefix("a device with ").removesuffix(" GiB"))
    assert 9 < size < 12


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [({"avx512_bf16": True}, "bfloat16"), ({"amx_bf16": True}, "bfloat16"), ({}, "float32")],
)
def test_auto_precision_depends_on_the_cpu_and_an_explicit_one_stays(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], precision: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert settled(Train()).precision == precision
    for params in (PARAMS, dataclasses.replace(PARAMS, precision="bfloat16")):
        assert settled(params) == params


def test_device_names_are_parsed() -> None:
    assert named(None) == here() == named(None)
    assert named("24GB") == named("24 GiB") == named("24gb")
    assert named("24GB").memory == 24 * GIB
    assert named("24GB").usable < 24 * GIB
    assert not named("cpu").cuda
    for odd in ("24", "0GB", "gpu9", "-3GB", "GB", ""):
        with pytest.raises(UsageError, match="is no device"):
            named(odd)


@pytest.mark.parametrize("cuda", [True, False])
@pytest.mark.parametrize("tensors", [1, 5 * GIB + 3])
def test_the_memory_that_a_remedy_names_is_just_enough(cuda: bool, tensors: int) -> None:
    device = Device("any", cuda=cuda, memory=24 * GIB, here=False)
    needed = device.memory_for(tensors)
    assert 0 <= dataclasses.replace(device, memory=needed).usable - tensors <= 1
    assert dataclasses.replace(device, memory=needed - 2).usable < tensors


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("words", ["1,536 wide", "128k words"])
def test_predicted_memory_is_within_a_tenth_of_the_process(words: str, precision: str) -> None:
    options = ["--only", words, "--precision", precision]
    command = [sys.executable, str(ROOT / "bench" / "planning.py"), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


def test_a_training_reports_its_precision_and_the_reason() -> None:
    texts = {
        precision: computes(dataclasses.replace(PARAMS, precision=precision), cuda=False)
        for precision in ("auto", "float32", "bfloat16")
    }
    fastest = texts.pop("auto")
    assert fastest.endswith("which this CPU multiplies fastest")
    assert sum(text == fastest for text in texts.values()) == 1
    assert sum(text.endswith("as `train.precision` asks") for text in texts.values()) == 1
    assert computes(PARAMS, cuda=True) == "in bfloat16, as on every card"
