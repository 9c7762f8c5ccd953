"""An adapter's `adapter_config.json`: the keys and values that Pawl lets it pass to peft.

Some of peft's keys import code, replace whole modules, or compute another function than the one
that was judged. Each allowed key is listed with its allowed values; any other key is refused.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawl.core.jsonio import refuse_repeats
from pawl.core.records import AdapterManifest
from pawl.errors import AdapterError, nearest

# NUMBERS have rules of their own; NEEDED have no default.
NUMBERS, NEEDED = ("lora_alpha", "lora_dropout"), ("peft_type", "r", "target_modules")
# What Pawl writes, and peft's own defaults.
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
    """Return the configuration of a plain LoRA or DoRA on the manifest's base.

    Raises:
        AdapterError: it is not JSON, lacks a key, or has a key or value that Pawl never writes;
            names the key.
    """
    config = {"use_dora": False, **_read(path)}
    if unknown := sorted(set(config) - set(FIXED) - set(FREE)):
        raise _refusal(path, f"has '{unknown[0]}'", nearest(unknown[0], [*FIXED, *FREE]))
    if missing := sorted(set(NEEDED) - set(config)):
        raise _refusal(path, f"lacks '{missing[0]}'", f"it has {', '.join(NEEDED)}")
    base = manifest.base
    fixed = FIXED | {
        "base_model_name_or_path": (None, base.model),
        "revision": (None, base.revision),
        "r": (manifest.rank,),
        "use_dora": (manifest.params.get("dora", False),),
    }
    for key, allowed in fixed.items():
        if key in config and not any(_same(config[key], value) for value in allowed):
            values = " or ".join(dict.fromkeys(map(json.dumps, allowed)))
            raise _refusal(path, f"has {key}: {config[key]!r}", f"it may be {values}")
    for key in NUMBERS:
        number = config.get(key, 0)
        if type(number) not in (int, float) or not math.isfinite(number) or number < 0:
            raise _refusal(path, f"has {key}: {number!r}", "it is a finite number, not below 0")
    targets = config["target_modules"]
    # A string would be a pattern, and peft decides which modules it matches.
    names = targets if isinstance(targets, list) else []
    if not names or not all(type(name) is str and name.isidentifier() for name in names):
        raise _refusal(path, f"has target_modules: {targets!r}", "it is a list of module names")
    return Lora(config["r"], tuple(names), config["use_dora"])


def _read(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=refuse_repeats)
    except (ValueError, RecursionError) as error:
        raise _refusal(path, f"is not JSON: {error}", "it is one JSON object") from error
    if not isinstance(config, dict):
        raise _refusal(path, f"is {type(config).__name__}", "it is one JSON object")
    return config


def _same(value: Any, allowed: Any) -> bool:
    # Python takes True for 1 and False for 0; peft does not.
    return type(value) is type(allowed) and bool(value == allowed)


def _refusal(path: Path, found: str, rule: str) -> AdapterError:
    return AdapterError(
        f"{path} {found}"[:600],
        rule=f"an adapter's configuration is a plain LoRA's, as Pawl writes it: {rule}",
        remedy="it is not an adapter of this project, or was altered: train one with `pawl run`",
    )
