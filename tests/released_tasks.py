"""Tasks with released versions on the real tiny base, whose adapters' answers differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml
from safetensors.numpy import save
from workbench import ROWS, Bench, held_out, write_splits

from pawl.core.files import digest_files, whole_folder, write_json
from pawl.core.records import AdapterManifest, BaseInfo, BaseRef, write_record
from pawl.ledger.provenance import author
from pawl.model.adapter import CONFIG, FILES, MANIFEST, WEIGHTS
from pawl.model.base import base_info
from pawl.release.release import promote, rollback
from pawl.store.client import open_store
from pawl.workspace.paths import Workspace

ROOT = Path(__file__).parents[1]
MOST = 24  # tokens of an answer, as judged


@dataclass(frozen=True)
class Served(Bench):
    """A bench whose adapters answer on the real tiny base, one and another."""

    base: BaseInfo = field(kw_only=True)

    def train(self, seed: int) -> str:
        write_real_adapter(self.workspace.files(self.task).adapter, seed, self.task, self.base)
        return ""

    def release(self, version: int, *, back: bool = False) -> None:
        """Make a version champion, as a person does."""
        who = author(self.workspace)
        if back:
            rollback(self.workspace, self.store, self.task, why="w", who=who, to=version)
        else:
            promote(self.workspace, self.store, self.task, version, why="w", who=who, override=True)


def make_served(
    root: Path, base_folder: Path, versions: Mapping[str, int], *, kind: type[Served] = Served
) -> dict[str, Served]:
    """A workspace in which each task has versions 1 … n, the first of which is champion."""
    ref = BaseRef(str(base_folder))
    base = base_info(ref, root)
    workspace = Workspace(root)
    section = {
        "data": "data/tickets.jsonl",
        "base": {"model": str(base_folder)},
        "split": {"salt": "s1"},
        "check": {},
        "train": {},
        "evaluate": {"max_new_tokens": MOST},
        "gate": {"looks": 20, "min_rows": 10},
    }
    workspace.params_file.write_text(yaml.safe_dump({"tasks": dict.fromkeys(versions, section)}))
    found = {}
    for number, task in enumerate(versions):
        bench = kind(workspace, open_store(workspace), task, base=base)
        files = workspace.files(task)
        write_record(files.base, base)
        write_json(files.schema, None)
        files.prompt.write_text("", encoding="utf-8")
        write_splits(
            workspace,
            {name: held_out(f"{task}-{name}", count) for name, count in ROWS.items()},
            task=task,
        )
        write_json(files.check / "report.json", {"rows": 108})
        write_json(files.eval / "report.json", {})
        for version in range(1, versions[task] + 1):
            bench.cycle(10 * number + version, "promote" if version == 1 else "reject")
        found[task] = bench
    return found


def write_real_adapter(folder: Path, seed: int, task: str, base: BaseInfo) -> None:
    """A LoRA of a base's queries and values, its numbers drawn from `seed`."""
    draw = np.random.default_rng(seed)
    said = json.loads((ROOT / base.model / "config.json").read_text(encoding="utf-8"))
    width, heads = said["hidden_size"], said["num_attention_heads"]
    size = said.get("head_dim") or width // heads
    outputs = {"q_proj": heads * size, "v_proj": said["num_key_value_heads"] * size}
    weights = {
        f"base_model.model.model.layers.{layer}.self_attn.{name}.lora_{side}.weight": (
            scale * draw.normal(size=shape)
        ).astype("f4")
        for layer in range(said["num_hidden_layers"])
        for name, out in outputs.items()
        for side, shape, scale in (("A", (4, width), 0.06), ("B", (out, 4), 0.15))
    }
    config = {"r": 4, "lora_alpha": 16, "peft_type": "LORA", "task_type": "CAUSAL_LM",
              "target_modules": ["q_proj", "v_proj"]}  # fmt: skip
    with whole_folder(folder) as out:
        (out / WEIGHTS).write_bytes(save(weights, metadata={"format": "pt"}))
        (out / CONFIG).write_text(json.dumps(config))
        manifest = AdapterManifest(
            task, base, "d" * 64, 4, {"seed": seed}, ("k1", "k2"), digest_files(out, FILES)
        )
        write_record(out / MANIFEST, manifest)
