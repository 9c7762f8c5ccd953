"""QLoRA: LoRA on all linear layers of an NF4 base, loss on the completion only.

Dettmers et al. 2023 (QLoRA), Kalajdzievski 2023 (rsLoRA: scaling by alpha / sqrt(rank), so that a
larger rank does not shrink its own updates).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
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
from pawl.train.journal import Journal, Kept, question
from pawl.train.loop import Loop, Point, mean_loss
from pawl.train.rows import Row, token_rows
from pawl.train.watch import Curve, bar, curve
from pawl.workspace import Workspace

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel

# Tokens of a pack, unless one row is longer.
ROOM = 4096


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
    base = load_base(folder, seed=section.train.seed, compute=compute_dtype())
    model = adapted(base, section.train)
    kept = Kept(workspace.checkpoints(task), question(info, rows, section.train))
    found = fit(model, rows, dev_rows, params=section.train, kept=kept)
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
    write_record(files.training, found)
    kept.drop()


def compute_dtype() -> torch.dtype:
    """What products are computed in: bf16 where the device has it in hardware, else float32.

    On CPU that is AVX512-BF16 or AMX, with four times the products a second; without them bf16 is
    emulated and slower. The adapter's own weights are float32 everywhere.
    """
    import torch

    able = torch.cpu.get_capabilities()
    fast = any(able.get(name) for name in ("avx512_bf16", "amx_bf16"))
    return torch.bfloat16 if torch.cuda.is_available() or fast else torch.float32


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
    rows: Sequence[Row],
    dev_rows: Sequence[Row],
    *,
    params: Train,
    kept: Kept | None = None,
) -> Curve:
    """Train in place and return the curve.

    Args:
        kept: where checkpoints are left and looked for; None: nowhere.

    Raises:
        TrainError: a loss or gradient was no finite number, naming step and rows; or the process
            was asked to end (SIGTERM), and left a checkpoint before it did.
    """
    room = max(ROOM, params.max_length)
    loop = Loop(model, rows, params=params, room=room)
    journal = Journal(loop, kept)
    with bar(loop.steps, done=loop.step) as tell, journal.watching() as note:

        def after(point: Point) -> None:
            tell(point)
            note(point)

        loop.run(after)
    dev_loss = mean_loss(model, dev_rows, room=room)
    return curve(
        journal.points, seconds=journal.seconds, dev_loss=dev_loss, resumed=journal.resumed
    )


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
