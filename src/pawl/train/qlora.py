"""QLoRA: LoRA on all linear layers of an NF4 base, loss on the completion only.

Dettmers et al. 2023 (QLoRA), Kalajdzievski 2023 (rsLoRA: scaling by alpha / sqrt(rank), so that a
larger rank does not shrink its own updates).
"""

from __future__ import annotations

import dataclasses
import gc
import json
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.config.schema import Train
from pawl.core.files import digest_files, whole_folder, write_json
from pawl.core.records import AdapterManifest, Choices, write_record
from pawl.errors import AdapterError, TrainError
from pawl.model.adapted_layers import linear_names
from pawl.model.adapter import CONFIG, FILES, MANIFEST, WEIGHTS
from pawl.model.base import dequantised, load_base
from pawl.train.device import compute_dtype
from pawl.train.process_settings import return_freed_memory, trim_heap
from pawl.train.shard import shard

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


def prepared(
    folder: Path,
    params: Train,
    choices: Choices,
    *,
    sharded: bool = False,
    start: Path | None = None,
) -> PeftModel:
    """Load the base of `folder`, as NF4 or dense by `choices`, and put an adapter on it.

    Args:
        start: the folder of an adapter whose weights it takes; None: new ones.
    """
    import torch

    # Free the model of the previous rank, which only reference cycles still hold.
    gc.collect()
    if choices.gives_back:
        return_freed_memory()
    compute = compute_dtype(params, cuda=torch.cuda.is_available())
    base = load_base(folder, seed=params.seed, compute=compute, sharded=sharded)
    _unmap_weights(base)
    model = adapted(dequantised(base) if choices.weights == "dense" else base, params)
    if start is not None:
        take_weights(model, start)
    if sharded:
        shard(model)
    trim_heap()
    return model


def adapted(model: PreTrainedModel, params: Train) -> PeftModel:
    """Put a new adapter on the targets; B starts at zero, A by the seed.

    Raises:
        TrainError: DoRA on a layer with an output whose weights are all zero, or a target whose
            weights are experts in one block.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(params.seed)
    config = LoraConfig(
        r=params.rank,
        lora_alpha=params.alpha,
        lora_dropout=params.dropout,
        use_rslora=True,
        use_dora=params.dora,
        target_modules=list(params.targets or linear_names(model)),
        task_type="CAUSAL_LM",
    )
    peft_model = get_peft_model(model, config)
    _refuse_experts(peft_model)
    _refuse_dead_outputs(peft_model)
    return peft_model


def take_weights(model: PeftModel, folder: Path) -> None:
    """Give the model's adapter the weights of the verified one in `folder`.

    Raises:
        AdapterError: they are not exactly those that the adapter has.
    """
    from peft import get_peft_model_state_dict, set_peft_model_state_dict
    from safetensors.torch import load_file

    saved, own = load_file(folder / WEIGHTS), get_peft_model_state_dict(model)
    # peft only warns of missing weights.
    if {k: v.shape for k, v in saved.items()} != {k: v.shape for k, v in own.items()}:
        raise AdapterError(
            f"the weights in {folder} are not those of the adapter that is trained",
            rule="a training goes on from an adapter of the same layers and rank",
            remedy="set `train.start: base`",
        )
    set_peft_model_state_dict(model, saved)


def save(model: PeftModel, manifest: AdapterManifest, target: Path) -> AdapterManifest:
    """Write the adapter folder: weights, configuration, and last the manifest.

    The configuration names the base as `params.yaml` does, not by a local path, and its lists are
    sorted, so that the same training gives the same bytes.

    Raises:
        TrainError: the adapter learned nothing (every B is zero).
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save as serialised

    weights = {
        name: value.detach().cpu().contiguous()
        for name, value in get_peft_model_state_dict(model).items()
    }
    if not any(bool(value.any()) for name, value in weights.items() if "lora_B" in name):
        raise TrainError(
            "the adapter is zero after training",
            rule="training moves the weights",
            remedy="raise `train.learning_rate` or `train.epochs`",
        )
    with whole_folder(target) as folder:
        # Not `save_file`: on a full disk it raises an error of its own that hides the reason.
        (folder / WEIGHTS).write_bytes(serialised(weights, metadata={"format": "pt"}))
        model.peft_config["default"].save_pretrained(str(folder))
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        config |= {
            "base_model_name_or_path": manifest.base.model,
            "revision": manifest.base.revision,
            "target_modules": sorted(config["target_modules"]),
            "inference_mode": True,
            # peft makes it a list for every base with experts.
            "target_parameters": config["target_parameters"] or None,
        }
        write_json(folder / CONFIG, config)
        complete = dataclasses.replace(manifest, files=digest_files(folder, FILES))
        write_record(folder / MANIFEST, complete)
    return complete


def _unmap_weights(base: PreTrainedModel) -> None:
    """Copy the weights that are still part of the mapped file.

    A weight loaded in the type that it was saved in is such a part, and a single one keeps all
    pages of the file that were read in memory, those of the linear layers too.
    """
    for weight in base.parameters():
        # Storage that torch did not allocate is not resizable.
        if weight.device.type == "cpu" and not weight.untyped_storage().resizable():
            weight.data = weight.data.clone()


def _refuse_experts(model: PeftModel) -> None:
    """peft would put LoRA of another kind on them, which no other server reads."""
    from peft.tuners.lora.layer import ParamWrapper

    found = {n.rpartition(".")[2] for n, m in model.named_modules() if isinstance(m, ParamWrapper)}
    if found:
        raise TrainError(
            "`train.targets` names the weights of experts, which are one block here",
            rule="an adapter sits on linear layers",
            remedy="leave `train.targets` out: then it sits on attention and what else is linear",
        )


def _refuse_dead_outputs(model: PeftModel) -> None:
    """DoRA divides by the norm of each output's weights: peft would compute 0 / 0."""
    dead = {
        name.partition(".lora_magnitude_vector")[0].rpartition(".")[2]
        for name, magnitude in model.named_parameters()
        # The planner's tensors have no values.
        if ".lora_magnitude_vector." in name and not magnitude.is_meta and not bool(magnitude.all())
    }
    if dead:
        raise TrainError(
            f"DoRA on a layer with an output whose weights are all zero: {', '.join(sorted(dead))}",
            rule="DoRA scales the direction of each output's weights, and zeros have none",
            remedy="leave these layers out of `train.targets`, or set `train.dora: false`",
        )
