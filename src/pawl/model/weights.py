"""Checks of an adapter's weights that need no torch and no base.

safetensors checks the file itself: header, offsets, sizes, no gap and no remainder. Added here: no
tensor is named twice, all are floats and finite, and their names and shapes are the LoRA (or DoRA)
pairs that the configuration describes. Whether each shape fits the base is checked when the
adapter is loaded (`pawl.model.adapter.load_adapter`).
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pawl.core.jsonio import refuse_repeats
from pawl.errors import AdapterError
from pawl.model.lora_config import Lora

Floats = NDArray[np.float32]

DTYPES = ("BF16", "F16", "F32")
KEY = re.compile(
    r"base_model\.model\.(?P<layer>[\w.]+)\.lora_(?P<part>A\.weight|B\.weight|magnitude_vector)"
)
A, B, MAGNITUDE = "A.weight", "B.weight", "magnitude_vector"
# Bytes of the header's length, which the file begins with.
LENGTH = 8


def check_weights(path: Path, lora: Lora) -> None:
    """Refuse weights that are not a whole LoRA (or DoRA) of the given configuration.

    Raises:
        AdapterError: the file is damaged, a tensor's name, dtype or shape is not one of such a
            LoRA, a number is not finite, or all `B` are zero (the adapter would be the base).
    """
    weights = _read(path)
    parts = {A, B, MAGNITUDE} if lora.dora else {A, B}
    names = _listed({f"lora_{part}" for part in parts})
    layers: dict[str, dict[str, tuple[int, ...]]] = {}
    for key, values in weights.items():
        match = KEY.fullmatch(key)
        if (
            match is None
            or match["layer"].rpartition(".")[2] not in lora.targets
            or match["part"] not in parts
        ):
            raise _refusal(
                path, f"holds '{key}'", f"weights are {names} of {_listed(lora.targets)}"
            )
        layers.setdefault(match["layer"], {})[match["part"]] = values.shape
        if not np.isfinite(values).all():
            raise _refusal(
                path, f"holds a number in '{key}' that is not finite", "weights are finite numbers"
            )
    for layer, shapes in layers.items():
        if set(shapes) != parts:
            raise _refusal(path, f"lacks a part of '{layer}'", f"each layer has {names}")
        if rule := _broken_shape_rule(shapes, lora.rank):
            raise _refusal(path, f"holds '{layer}' as {shapes}", rule)
    if lacking := set(lora.targets) - {layer.rpartition(".")[2] for layer in layers}:
        raise _refusal(
            path, f"has nothing for {_listed(lacking)}", "each target module has its weights"
        )
    if not any(values.any() for key, values in weights.items() if ".lora_B." in key):
        raise _refusal(path, "holds a lora_B of zeros alone", "a zero adapter is the base")


def _broken_shape_rule(shapes: dict[str, tuple[int, ...]], rank: int) -> str | None:
    """The rule that a layer's shapes break: A is [r, in], B [out, r], the magnitudes [out]."""
    a, b = shapes[A], shapes[B]
    if len(a) != 2 or a[0] != rank:
        return f"lora_A has r = {rank} rows"
    if len(b) != 2 or b[1] != rank:
        return f"lora_B has r = {rank} columns"
    if shapes.get(MAGNITUDE, b[:1]) != b[:1]:
        return f"lora_magnitude_vector has a number for each of lora_B's {b[0]} rows"
    return None


def _read(path: Path) -> dict[str, Floats]:
    """The file's tensors by name, as float32."""
    from safetensors import SafetensorError, deserialize

    data = path.read_bytes()
    try:
        tensors = deserialize(data)  # type: ignore[no-untyped-call]  # its stub has no types
        # Of two equal keys safetensors keeps the last.
        header = data[LENGTH : LENGTH + int.from_bytes(data[:LENGTH], "little")]
        json.loads(header, object_pairs_hook=refuse_repeats)
        return {key: _floats(key, **tensor) for key, tensor in tensors}
    except (SafetensorError, ValueError, RecursionError) as error:
        raise _refusal(
            path, f"is not a safetensors file of floats: {error}"[:300], "an adapter's weights are"
        ) from error


def _floats(key: str, *, shape: list[int], dtype: str, data: bytearray) -> Floats:
    if dtype not in DTYPES:
        raise ValueError(f"'{key}' is {dtype}, not one of {_listed(DTYPES)}")
    if dtype == "BF16":  # the upper half of a float32; numpy has no such type
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").reshape(shape)
    values = np.frombuffer(data, {"F16": "<f2", "F32": "<f4"}[dtype])
    return values.astype("<f4", copy=False).reshape(shape)


def _listed(names: tuple[str, ...] | set[str]) -> str:
    return ", ".join(sorted(names))


def _refusal(path: Path, found: str, rule: str) -> AdapterError:
    return AdapterError(
        f"{path} {found}", rule=rule, remedy="fetch the version again, or train it again"
    )
