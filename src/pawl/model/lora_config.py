"""An adapter's `adapter_config.json`: what Pawl lets it say to peft, and nothing else.

peft has many keys that import code, replace whole modules, or compute another function than the one
that was judged. Each key is listed with the values that it may have; one that is not listed is
refused by its name.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawl.core.records import AdapterManifest
from pawl.errors import AdapterError, nearest

# Checked one by one; the rank, the modules and the kind of adapter must be said.
NUMBERS, NEEDED = ("lora_alpha", "lora_dropout"), ("peft_type", "r", "target_modules")
# What Pawl writes, and what peft writes where it was asked for nothing.
FIXED: dict[str, tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "task_type": ("CAUSAL_LM",),
    "inference_mode": (True,),
    "use_rslora": (True,),
    "init_lora_weights": (True,),
    "bias": ("none",),
    "megatron_core": ("megatron.core",),
    "qalora_group_size": (16,),
    **dict.fromkeys(
        ("ensure_weight_tying", "fan_in_fan_out", "lora_bias", "use_qalora"), (False,)
    ),
    **dict.fromkeys(("alpha_pattern", "loftq_config", "rank_pattern"), ({},)),
    **dict.fromkeys(
        (
            "alora_invocation_tokens", "arrow_config", "auto_mapping", "corda_config", "eva_config",
            "exclude_modules", "kasa_config", "layer_replication", "layers_pattern",
            "layers_to_transform", "lora_ga_config", "megatron_config", "modules_to_save",
            "monteclora_config", "target_parameters", "trainable_token_indices", "use_bdlora",
            "velora_config",
        ),
        (None,),
    ),
}  # fmt: skip
FREE = (
    "base_model_name_or_path", "peft_version", "r", "revision", "target_modules", "use_dora",
    *NUMBERS,
)  # fmt: skip


@dataclass(frozen=True)
class Lora:
    """The rank, the names of the modules that the adapter sits on, and whether it is a DoRA."""

    rank: int
    targets: tuple[str, ...]
    dora: bool = False


def read_lora(path: Path, manifest: AdapterManifest) -> Lora:
    """What the configuration asks peft for, if it is a plain LoRA or DoRA on the manifest's base.

    Raises:
        AdapterError: it is no JSON, lacks a key, or says something that an adapter of Pawl's never
            says; names the key.
    """
    said = {"use_dora": False, **_read(path)}
    if unknown := sorted(set(said) - set(FIXED) - set(FREE)):
        raise _off(path, f"says '{unknown[0]}'", f"{nearest(unknown[0], [*FIXED, *FREE])}")
    if missing := sorted(set(NEEDED) - set(said)):
        raise _off(path, f"does not say '{missing[0]}'", f"it says {', '.join(NEEDED)}")
    base = manifest.base
    fixed = FIXED | {
        "base_model_name_or_path": (None, base.model),
        "revision": (None, base.revision),
        "r": (manifest.rank,),
        "use_dora": (manifest.params.get("dora", False),),
    }
    for key, allowed in fixed.items():
        if key in said and not any(_same(said[key], value) for value in allowed):
            may = " or ".join(map(repr, dict.fromkeys(map(json.dumps, allowed))))
            raise _off(path, f"says {key}: {said[key]!r}", f"it may say {may}")
    for key in NUMBERS:
        number = said.get(key, 0)
        if type(number) not in (int, float) or not math.isfinite(number) or number < 0:
            raise _off(path, f"says {key}: {number!r}", "it is a finite number, not below 0")
    targets = said["target_modules"]
    # A string would be a pattern: which modules it means is then for peft to say.
    names = targets if isinstance(targets, list) else []
    if not names or not all(type(name) is str and name.isidentifier() for name in names):
        raise _off(path, f"says target_modules: {targets!r}", "it is a list of modules' names")
    return Lora(said["r"], tuple(names), said["use_dora"])


def _read(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise _off(path, f"is no JSON: {error}", "it is one JSON object") from error
    if not isinstance(said, dict):
        raise _off(path, f"is {type(said).__name__}", "it is one JSON object")
    return said


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key stands in it twice")
    return dict(pairs)


def _same(found: Any, allowed: Any) -> bool:
    # Python takes True for 1 and False for 0; peft does not.
    return type(found) is type(allowed) and bool(found == allowed)


def _off(path: Path, found: str, rule: str) -> AdapterError:
    return AdapterError(
        f"{path} {found}"[:600],
        rule=f"an adapter's configuration is a plain LoRA's, as Pawl writes it: {rule}",
        remedy="it is no adapter of this project, or was altered: train one with `pawl run`",
    )
