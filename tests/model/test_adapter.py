"""An adapter folder is verified before anything uses it, and without torch."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from pawl.core.files import digest_files
from pawl.core.records import AdapterManifest, BaseInfo, write_record
from pawl.errors import AdapterError
from pawl.model.adapter import CONFIG, FILES, MANIFEST, WEIGHTS, read_adapter

PREFIX = "base_model.model.model.layers"
Weights = dict[str, Any]


def seal(folder: Path, **params: Any) -> None:
    """Write a manifest that vouches for whatever the folder holds, as a forger would."""
    base = BaseInfo("base/tiny", "abc", "b" * 64)
    write_record(
        folder / MANIFEST,
        AdapterManifest("t", base, "d" * 64, 4, params, ("k",), digest_files(folder, FILES)),
    )


def make(folder: Path, *, layers: int = 2, width: int = 8) -> Path:
    """A LoRA of rank 4 on q_proj and v_proj."""
    draw, weights = np.random.default_rng(0), {}
    for layer in range(layers):
        for name in ("q_proj", "v_proj"):
            for side, shape in (("A", (4, width)), ("B", (width, 4))):
                key = f"{PREFIX}.{layer}.self_attn.{name}.lora_{side}.weight"
                weights[key] = draw.normal(size=shape).astype("f4")
    folder.mkdir(parents=True)
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    config = {"peft_type": "LORA", "r": 4, "target_modules": ["q_proj", "v_proj"]}
    (folder / CONFIG).write_text(json.dumps(config))
    seal(folder)
    return folder


def key(side: str) -> str:
    return f"{PREFIX}.0.self_attn.q_proj.lora_{side}.weight"


def rename(weights: Weights, old: str, new: str) -> None:
    weights[new] = weights.pop(old)


def number(value: float) -> Callable[[Weights], None]:
    return lambda w: w[key("A")].__setitem__((0, 0), value)


def zero(weights: Weights) -> None:
    for name in weights:
        if "lora_B" in name:
            weights[name] = -np.zeros_like(weights[name])


def half(weights: Weights) -> None:
    for name in weights:
        weights[name] = weights[name].astype("f2")
    weights[key("A")][0, 0] = np.inf


SPOILS: dict[str, tuple[str, Callable[[Weights], Any]]] = {
    "half of a pair gone": ("lacks a part", lambda w: w.pop(key("B"))),
    "a module's pairs gone": (
        "has nothing for v_proj",
        lambda w: [w.pop(k) for k in list(w) if "v_proj" in k],
    ),
    "another module": (
        "weights are lora_A.weight, lora_B.weight of",
        lambda w: rename(w, key("A"), key("A").replace("q_proj", "o_proj")),
    ),
    "a base's weight": ("embed", lambda w: w.update({"embed_tokens.weight": w[key("A")]})),
    "another rank": ("r = 4 rows", lambda w: w.update({key("A"): w[key("A")][:3].copy()})),
    "B of another rank": ("r = 4 col", lambda w: w.update({key("B"): w[key("B")][:, :2].copy()})),
    "a row of numbers": ("r = 4 rows", lambda w: w.update({key("A"): w[key("A")].ravel().copy()})),
    "not a number": ("not finite", number(np.nan)),
    "infinite": ("not finite", number(-np.inf)),
    "infinite in half precision": ("not finite", half),
    "all B zero": ("zeros alone", zero),
    "whole numbers": (
        "is I64, not one of BF16, F16, F32",
        lambda w: w.update({key("A"): w[key("A")].astype(int)}),
    ),
    "no weight": ("has nothing for", lambda w: w.clear()),
}  # fmt: skip


@pytest.mark.parametrize("spoil", SPOILS)
def test_weights_that_are_no_whole_lora_are_refused(tmp_path: Path, spoil: str) -> None:
    says, change = SPOILS[spoil]
    folder = make(tmp_path / "adapter")
    weights = load_file(folder / WEIGHTS)
    change(weights)
    save_file(weights, folder / WEIGHTS)
    seal(folder)
    with pytest.raises(AdapterError, match=says) as refused:
        read_adapter(folder)
    assert refused.value.rule
    assert refused.value.remedy


def header(data: bytes, change: Callable[[dict[str, Any]], Any]) -> bytes:
    """The same tensors under a changed header."""
    length = int.from_bytes(data[:8], "little")
    said = json.loads(data[8 : 8 + length])
    change(said)
    text = json.dumps(said).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def shifted(said: dict[str, Any]) -> None:
    """The last tensor begins four bytes later than the one before it ends."""
    last = max((t for t in said.values() if "dtype" in t), key=lambda t: t["data_offsets"])
    last["data_offsets"] = [offset + 4 for offset in last["data_offsets"]]


CUTS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut in the header": lambda data: data[:100],
    "cut in the numbers": lambda data: data[:-4],
    "padded": lambda data: data + b"\0" * 4,
    "a header longer than the file": lambda data: b"\xff" * 8 + data[8:],
    "no JSON": lambda data: data[:8] + b"!" + data[9:],
    "a key twice": lambda d: header(d, lambda _: None).replace(b"layers.1", b"layers.0"),
    "numbers of another": lambda d: header(
        d, lambda said: said[key("A")].update(data_offsets=said[key("B")]["data_offsets"])
    ),
    "offsets that go back": lambda d: header(
        d, lambda said: said[key("A")]["data_offsets"].sort(reverse=True)
    ),
    "a gap": lambda d: header(d + b"\0" * 4, shifted),
    "a dtype that is none": lambda d: header(d, lambda said: said[key("A")].update(dtype="F33")),
    "below zero": lambda d: header(d, lambda said: said[key("A")].update(data_offsets=[-128, 0])),
    "no shape": lambda d: header(d, lambda said: said[key("A")].update(shape=[True, 8])),
    "a list": lambda _: (2).to_bytes(8, "little") + b"[]",
    "deeper than can be read": lambda _: (200_000).to_bytes(8, "little") + b"[" * 200_000,
}  # fmt: skip


def make_dora(folder: Path) -> Path:
    """The same with a magnitude for each row of B."""
    weights = load_file(make(folder) / WEIGHTS)
    for name in [name for name in weights if "lora_B" in name]:
        magnitude = np.linalg.norm(weights[name], axis=1)
        weights[name.replace("lora_B.weight", "lora_magnitude_vector")] = magnitude
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | {"use_dora": True}))
    seal(folder, dora=True)
    return folder


SIZE = f"{PREFIX}.0.self_attn.q_proj.lora_magnitude_vector"
DORA_SPOILS: dict[str, tuple[str, Callable[[Weights], Any]]] = {
    "no magnitude": ("lacks a part", lambda w: w.pop(SIZE)),
    "one magnitude too few": ("each of lora_B's 8", lambda w: w.update({SIZE: w[SIZE][1:].copy()})),
    "a matrix of magnitudes": ("each of lora_B's", lambda w: w.update({SIZE: w[key("B")].copy()})),
    "a magnitude that is no number": (
        "not finite", lambda w: w.update({SIZE: w[SIZE] * np.float32("nan")})
    ),
}  # fmt: skip


@pytest.mark.parametrize("spoil", DORA_SPOILS)
def test_a_dora_has_a_finite_magnitude_for_each_output(tmp_path: Path, spoil: str) -> None:
    says, change = DORA_SPOILS[spoil]
    folder = make_dora(tmp_path / "adapter")
    assert read_adapter(folder).params["dora"] is True
    weights = load_file(folder / WEIGHTS)
    change(weights)
    save_file(weights, folder / WEIGHTS)
    seal(folder, dora=True)
    with pytest.raises(AdapterError, match=says):
        read_adapter(folder)


def test_only_an_adapter_that_was_trained_as_a_dora_is_one(tmp_path: Path) -> None:
    folder = make_dora(tmp_path / "dora")
    seal(folder)
    with pytest.raises(AdapterError, match="use_dora"):
        read_adapter(folder)
    plain = make(tmp_path / "plain")
    weights = load_file(plain / WEIGHTS)
    save_file(weights | {SIZE: np.ones(8, "f4")}, plain / WEIGHTS)
    seal(plain)
    with pytest.raises(AdapterError, match="magnitude_vector"):
        read_adapter(plain)
    seal(plain, dora=True)
    with pytest.raises(AdapterError, match="use_dora"):
        read_adapter(plain)


def test_bfloat16_is_read_and_must_be_finite(tmp_path: Path) -> None:
    folder = make(tmp_path / "adapter")
    weights = load_file(folder / WEIGHTS)
    # The upper half of a float32 is a bfloat16; numpy can only name it float16.
    halves = {name: (w.view("u4") >> 16).astype("u2").view("f2") for name, w in weights.items()}
    for bits, fits in ((None, True), (0xFF80, False), (0x7FC0, False)):
        if bits is not None:
            halves[key("A")].view("u2")[0, 0] = bits
        save_file(halves, folder / WEIGHTS)
        data = (folder / WEIGHTS).read_bytes().replace(b'"F16"', b'"BF16"')
        length = int.from_bytes(data[:8], "little") + data.count(b'"BF16"')
        (folder / WEIGHTS).write_bytes(length.to_bytes(8, "little") + data[8:])
        seal(folder)
        if fits:
            read_adapter(folder)
        else:
            with pytest.raises(AdapterError, match="not finite"):
                read_adapter(folder)


@pytest.mark.parametrize("cut", CUTS)
def test_a_file_whose_header_and_bytes_disagree_is_refused(tmp_path: Path, cut: str) -> None:
    folder = make(tmp_path / "adapter")
    (folder / WEIGHTS).write_bytes(CUTS[cut]((folder / WEIGHTS).read_bytes()))
    seal(folder)
    with pytest.raises(AdapterError, match=WEIGHTS):
        read_adapter(folder)


def test_checking_a_few_megabytes_takes_a_moment_and_no_torch(tmp_path: Path) -> None:
    folder = make(tmp_path / "adapter", layers=16, width=8192)
    assert (folder / WEIGHTS).stat().st_size > 8e6
    read_adapter(folder)
    best = min(_seconds(folder) for _ in range(5))
    assert best < 0.3  # 30 ms on an idle machine
    code = f"import sys; from pathlib import Path; from pawl.model.adapter import read_adapter; \
read_adapter(Path({str(folder)!r})); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _seconds(folder: Path) -> float:
    start = time.perf_counter()
    read_adapter(folder)
    return time.perf_counter() - start


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("auto_mapping", {"parent_library": "evil", "base_model_class": "Evil"}),
        ("modules_to_save", ["lm_head"]),
        ("layers_pattern", "layers"),
        ("layers_to_transform", [0]),
        ("runtime_config", {"ephemeral_gpu_offload": True}),
        ("eva_config", {"rho": 2.0}),
        ("corda_config", {}),
        ("loftq_config", {"loftq_bits": 4}),
        ("megatron_config", {}),
        ("megatron_core", "evil.core"),
        ("exclude_modules", "q_proj"),
        ("rank_pattern", {"q_proj": 2}),
        ("alpha_pattern", {"q_proj": 900}),
        ("target_parameters", ["weight"]),
        ("layer_replication", [[0, 1]]),
        ("trainable_token_indices", [1]),
        ("use_dora", True),
        ("use_rslora", False),
        ("use_rslora", 1),
        ("bias", "all"),
        ("fan_in_fan_out", True),
        ("init_lora_weights", "olora"),
        ("inference_mode", False),
        ("task_type", "SEQ_CLS"),
        ("peft_type", "IA3"),
        ("r", 8),
        ("r", 4.0),
        ("lora_alpha", "16"),
        ("lora_alpha", -1),
        ("lora_alpha", float("nan")),
        ("lora_dropout", True),
        ("target_modules", "all-linear"),
        ("target_modules", []),
        ("target_modules", ["q_proj", ".*"]),
        ("base_model_name_or_path", "another/base"),
        ("revision", "main"),
        ("lora_magic", None),
    ],
)
def test_a_configuration_that_asks_for_more_than_a_plain_lora_is_refused_by_name(
    tmp_path: Path, name: str, value: Any
) -> None:
    folder = make(tmp_path / "adapter")
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | {name: value}))
    seal(folder)
    with pytest.raises(AdapterError, match=name) as refused:
        read_adapter(folder)
    assert "plain LoRA" in refused.value.rule


@pytest.mark.parametrize("text", ["", "[]", '{"r": 4, "r": 8}', "[" * 200_000])
def test_a_configuration_that_is_no_object_is_refused(tmp_path: Path, text: str) -> None:
    folder = make(tmp_path / "adapter")
    (folder / CONFIG).write_text(text)
    seal(folder)
    with pytest.raises(AdapterError, match=CONFIG):
        read_adapter(folder)


def test_a_folder_that_is_a_link_or_lies_behind_one_out_of_the_workspace_is_refused(
    tmp_path: Path,
) -> None:
    root, outside = tmp_path / "ws", tmp_path / "outside"
    root.mkdir()
    (root / "params.yaml").write_text("")
    make(root / "build" / "t" / "adapter")
    read_adapter(root / "build" / "t" / "adapter")
    make(outside / "t" / "adapter")
    (root / "other").symlink_to(outside)
    (root / "near").symlink_to(root / "build")
    (root / "adapter").symlink_to(root / "build" / "t" / "adapter")
    read_adapter(root / "near" / "t" / "adapter")
    for folder in (root / "other" / "t" / "adapter", root / "adapter"):
        with pytest.raises(AdapterError, match="behind the link"):
            read_adapter(folder)
    # A linked folder that calls itself a workspace is one more link out of this one.
    (outside / "params.yaml").write_text("")
    with pytest.raises(AdapterError, match="behind the link"):
        read_adapter(root / "other" / "t" / "adapter")


def test_a_workspace_that_is_reached_through_a_link_is_as_good(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "params.yaml").write_text("")
    make(tmp_path / "real" / "build" / "adapter")
    (tmp_path / "ws").symlink_to(tmp_path / "real")
    read_adapter(tmp_path / "ws" / "build" / "adapter")
