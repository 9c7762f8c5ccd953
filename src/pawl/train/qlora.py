"""QLoRA: LoRA on all linear layers of an NF4 base, loss on the completion only.

Dettmers et al. 2023 (QLoRA), Kalajdzievski 2023 (rsLoRA: scaling by alpha / sqrt(rank), so that a
larger rank does not shrink its own updates). The loop is `transformers.Trainer` on accelerate.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pawl.adapter import CONFIG, FILES, MANIFEST, WEIGHTS
from pawl.alike import hashes
from pawl.base import find_base, linear_names, load_base, load_tokenizer
from pawl.errors import TrainError
from pawl.files import digest_files, whole_folder, write_json
from pawl.params import Train, as_json
from pawl.records import (
    AdapterManifest,
    BaseInfo,
    SplitReport,
    read_record,
    read_rows,
    write_record,
)
from pawl.train.rows import Row, padded, token_rows
from pawl.train.watch import Curve, curve_callback
from pawl.workspace import Workspace

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

WARMUP = 0.06
LOG_EVERY = 5


def train(workspace: Workspace, task: str) -> None:
    """Write `build/<task>/adapter/` (verified by its manifest) and `training.json`."""
    section, files = workspace.task(task), workspace.files(task)
    info = read_record(files.base, BaseInfo)
    report = read_record(files.splits / "manifest.json", SplitReport)
    learn, dev = (read_rows(files.splits / f"{name}.jsonl") for name in ("train", "dev"))
    folder = find_base(section.base, workspace.root)
    tokenizer = load_tokenizer(folder)
    limit = section.train.max_length
    rows, dev_rows = (token_rows(part, tokenizer, max_length=limit) for part in (learn, dev))
    model = adapted(load_base(folder, seed=section.train.seed), section.train)
    curve = fit(model, tokenizer, rows, dev_rows, params=section.train)
    manifest = AdapterManifest(
        task=task,
        base=info,
        data=report.data,
        rank=section.train.rank,
        params=as_json(section.train),
        trained_on=tuple(sorted({found for row in learn for found in hashes(row)})),
        files={},
    )
    save(model, manifest, files.adapter)
    write_record(files.training, curve)


def adapted(model: PreTrainedModel, params: Train) -> PeftModel:
    """Put a new adapter on every linear layer but the head; B starts at zero, A by the seed."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(params.seed)
    config = LoraConfig(
        r=params.rank,
        lora_alpha=params.alpha,
        lora_dropout=params.dropout,
        use_rslora=True,
        target_modules=linear_names(model),
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def fit(
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Row],
    dev_rows: Sequence[Row],
    *,
    params: Train,
) -> Curve:
    """Train in place and return the loss curve.

    Raises:
        TrainError: a loss or gradient norm was not a finite number; names the step.
    """
    import torch
    from transformers import PrinterCallback, Trainer, TrainingArguments

    curve = Curve()
    cuda = torch.cuda.is_available()
    with TemporaryDirectory(prefix="pawl-train-") as scratch:
        arguments = TrainingArguments(
            output_dir=scratch,
            num_train_epochs=params.epochs,
            per_device_train_batch_size=params.batch_size,
            per_device_eval_batch_size=params.batch_size,
            learning_rate=params.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=WARMUP,
            weight_decay=0.0,
            # A few hundred steps: the default of 0.999 would remember the first ones to the end.
            adam_beta2=0.99,
            seed=params.seed,
            data_seed=params.seed,
            bf16=cuda,
            use_cpu=not cuda,
            # Not "group_by_length": it sorts each 50 batches from long to short, so batches are no
            # fair sample where length tells of the label. Runs with it learned tickets worse (one
            # run each, rate and epochs not held equal).
            train_sampling_strategy="random",
            logging_steps=LOG_EVERY,
            logging_first_step=True,
            # The default swallows NaN losses and shows the last good one instead.
            logging_nan_inf_filter=False,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            dataloader_pin_memory=cuda,
            remove_unused_columns=False,
            label_names=["labels"],
        )
        trainer = Trainer(
            model=model,
            args=arguments,
            train_dataset=rows,
            eval_dataset=dev_rows,
            data_collator=partial(padded, pad=int(tokenizer.pad_token_id)),
            callbacks=[curve_callback(curve)],
        )
        trainer.remove_callback(PrinterCallback)
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start
        dev_loss = float(trainer.evaluate()["eval_loss"])
    tokens = sum(len(row["input_ids"]) for row in rows) * params.epochs
    curve.finish(seconds=seconds, tokens=tokens, dev_loss=dev_loss)
    return curve


def save(model: PeftModel, manifest: AdapterManifest, target: Path) -> AdapterManifest:
    """Write the adapter folder: weights, configuration, and the manifest last.

    The configuration names the base as `params.yaml` does, not by a path of this machine, and its
    lists are sorted: the same training gives the same bytes.

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
        # Not `save_file`: on a full disk it raises an error of its own, which tells nobody that.
        (folder / WEIGHTS).write_bytes(serialised(weights, metadata={"format": "pt"}))
        model.peft_config["default"].save_pretrained(str(folder))
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        config |= {
            "base_model_name_or_path": manifest.base.model,
            "revision": manifest.base.revision,
            "target_modules": sorted(config["target_modules"]),
            "inference_mode": True,
        }
        write_json(folder / CONFIG, config)
        complete = dataclasses.replace(manifest, files=digest_files(folder, FILES))
        write_record(folder / MANIFEST, complete)
    return complete
