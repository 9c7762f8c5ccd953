"""An adapter's weights looked at without torch: the safetensors header, then the numbers.

What can be known from the folder alone: that the file is whole, that it holds the pairs (a DoRA's
magnitudes with them) which its configuration speaks of and nothing else, and that its numbers are
numbers. Whether each shape fits the base is seen when it is put on it
(`pawl.model.adapter.load_adapter`).
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawl.errors import AdapterError
from pawl.model.lora_config import Lora

Tensors = dict[str, NDArray[np.uint16] | NDArray[np.uint32]]

# Per type: how wide a number is, and the bits of its exponent; all of them set: no finite number.
TYPES = {"F32": ("<u4", 0x7F800000), "F16": ("<u2", 0x7C00), "BF16": ("<u2", 0x7F80)}
KEY = re.compile(
    r"base_model\.model\.(?P<layer>[\w.]+)\.lora_(?P<part>A\.weight|B\.weight|magnitude_vector)"
)
A, B, MAGNITUDE = "A.weight", "B.weight", "magnitude_vector"
LENGTH = 8


def check_weights(path: Path, lora: Lora) -> None:
    """Refuse weights that are no whole LoRA (or DoRA) such as the configuration speaks of.

    Raises:
        AdapterError: the file is cut or padded, a key or shape is none that such a LoRA has, a
            number is not finite, or all `B` are zero (the adapter would be the base).
    """
    types, weights = _read(path)
    parts = {A, B, MAGNITUDE} if lora.dora else {A, B}
    names = _in({f"lora_{part}" for part in parts})
    layers: dict[str, dict[str, tuple[int, ...]]] = {}
    for key, values in weights.items():
        match = KEY.fullmatch(key)
        if (
            match is None
            or match["layer"].rpartition(".")[2] not in lora.targets
            or match["part"] not in parts
        ):
            raise _off(path, f"holds '{key}'", f"weights are {names} of {_in(lora.targets)}")
        layers.setdefault(match["layer"], {})[match["part"]] = values.shape
        if bool(((values & TYPES[types[key]][1]) == TYPES[types[key]][1]).any()):
            raise _off(path, f"holds a number in '{key}' that is not finite", "weights are numbers")
    for layer, shapes in layers.items():
        if set(shapes) != parts:
            raise _off(path, f"lacks a part of '{layer}'", f"each layer has {names}")
        if fault := _misshapen(shapes, lora.rank):
            raise _off(path, f"holds '{layer}' as {shapes}", fault)
    if lacking := set(lora.targets) - {layer.rpartition(".")[2] for layer in layers}:
        raise _off(path, f"has nothing for {_in(lacking)}", "each target module has its weights")
    # All bits but the sign: minus nothing is nothing too.
    if not any(bool((v << 1).any()) for key, v in weights.items() if ".lora_B." in key):
        raise _off(path, "holds a lora_B of zeros alone", "a zero adapter is the base")


def _misshapen(shapes: dict[str, tuple[int, ...]], rank: int) -> str | None:
    """The rule that a layer's shapes break: A is [r, in], B [out, r], the magnitudes [out]."""
    a, b = shapes[A], shapes[B]
    if len(a) != 2 or a[0] != rank:
        return f"lora_A has r = {rank} rows"
    if len(b) != 2 or b[1] != rank:
        return f"lora_B has r = {rank} columns"
    if shapes.get(MAGNITUDE, b[:1]) != b[:1]:
        return f"lora_magnitude_vector has a number for each of lora_B's {b[0]} rows"
    return None


def _read(path: Path) -> tuple[dict[str, str], Tensors]:
    """Each tensor's type and its bits, in the order of the file, which they fill without a gap."""
    data = path.read_bytes()
    length = int.from_bytes(data[:LENGTH], "little")
    start, types, found, end = LENGTH + length, {}, {}, 0
    for key, said in sorted(_header(path, data, start).items(), key=lambda item: item[1][2]):
        kind, shape, begin, stop = said
        size = math.prod(shape) * np.dtype(TYPES[kind][0]).itemsize
        if begin != end or stop - begin != size or start + stop > len(data):
            raise _off(
                path,
                f"puts '{key}' at bytes {begin} to {stop} of {len(data) - start}",
                f"a tensor of {kind} {list(shape)} follows the one before it and takes {size}",
            )
        types[key], end = kind, stop
        found[key] = np.frombuffer(
            data, TYPES[kind][0], count=math.prod(shape), offset=start + begin
        ).reshape(shape)
    if start + end != len(data):
        raise _off(
            path, f"has {len(data) - start - end} bytes after its last tensor", "it has none"
        )
    return types, found


def _header(
    path: Path, data: bytes, start: int
) -> dict[str, tuple[str, tuple[int, ...], int, int]]:
    """Type, shape, begin and end of each tensor, as the file's header names them."""
    if not LENGTH < start <= len(data):
        raise _off(path, f"is {len(data)} bytes, its header alone {start}", "a header lies within")
    try:
        header = json.loads(data[LENGTH:start].decode("utf-8"), object_pairs_hook=_unique)
        header.pop("__metadata__", None)
        return {key: _tensor(said) for key, said in header.items()}
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise _off(
            path, f"has a header that is none: {error!r}"[:300], "it is safetensors"
        ) from error


def _tensor(said: dict[str, Any]) -> tuple[str, tuple[int, ...], int, int]:
    begin, stop = said["data_offsets"]
    numbers = (*said["shape"], begin, stop)
    if said["dtype"] not in TYPES or not all(type(n) is int and n >= 0 for n in numbers):
        raise ValueError(f"a tensor cannot be {said}")
    return str(said["dtype"]), tuple(said["shape"]), begin, stop


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key stands in it twice")
    return dict(pairs)


def _in(names: tuple[str, ...] | set[str]) -> str:
    return ", ".join(sorted(names))


def _off(path: Path, found: str, rule: str) -> AdapterError:
    return AdapterError(
        f"{path} {found}", rule=rule, remedy="fetch the version again, or train it again"
    )
