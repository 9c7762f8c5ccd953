"""A workspace with real, tiny adapters and a real SQLite store; verdicts are written as the gate
would write them, so that what follows a verdict can be looked at alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors.numpy import save

from pawl.core.files import digest_file, digest_files, whole_folder, write_json, write_lines
from pawl.core.records import (
    AdapterManifest,
    BaseInfo,
    Champion,
    Cycle,
    Decision,
    Example,
    Look,
    Message,
    SplitReport,
    Verdict,
    to_json,
    write_record,
)
from pawl.cycle.conclude import conclude
from pawl.cycle.snapshots import snapshot_champion
from pawl.ledger.looks import reserve_look
from pawl.model.adapter import CONFIG, FILES, MANIFEST, WEIGHTS
from pawl.store.client import Store, open_store
from pawl.workspace.paths import Workspace

BASE = BaseInfo("base/tiny", None, "b" * 64)
TASK = "tickets"
ROWS = {"train": 80, "dev": 8, "gate": 20}


@dataclass(frozen=True)
class Bench:
    """A workspace, its open store, and the hands of the stages that others wrote."""

    workspace: Workspace
    store: Store
    task: str = TASK

    def train(self, seed: int) -> str:
        """Leave the adapter of `seed` in build/, as the train stage would; returns its digest."""
        write_adapter(self.workspace.files(self.task).adapter, seed)
        return manifest_of(self.workspace.files(self.task).adapter).digest

    def judge(self, decision: Decision, champion: Champion, look: Look | None) -> Verdict:
        """Leave a verdict on the adapter in build/, as the gate stage would."""
        files = self.workspace.files(self.task)
        verdict = Verdict(
            task=self.task,
            decision=decision,
            reasons=(f"the gate says {decision}",),
            candidate=manifest_of(files.adapter).digest,
            champion=champion,
            look=look,
            comparisons=(),
            scores={"candidate": {"exact_match": 0.75}, "candidate (dev)": {"exact_match": 0.7}},
            rows={"train": 80, "gate": 20},
        )
        write_record(files.verdict, verdict)
        return verdict

    def cycle(self, seed: int, decision: Decision = "promote", question: str = "") -> Cycle:
        """A whole cycle of the adapter of `seed`, with that verdict."""
        self.train(seed)
        champion = snapshot_champion(self.workspace, self.store, self.task)
        self.judge(decision, champion, reserve_look(self.workspace, self.store, self.task))
        return self.conclude(question or f"question {seed}")

    def conclude(self, question: str) -> Cycle:
        return conclude(
            self.workspace, self.store, self.task, question=question, who="Ada", why="a test"
        )

    def params(self, **gate: Any) -> None:
        write_params(self.workspace.root, gate)


def make_bench(root: Path) -> Bench:
    """A workspace in `root` whose splits and base are on record."""
    root.mkdir(exist_ok=True)
    write_params(root, {})
    workspace = Workspace(root)
    files = workspace.files(TASK)
    write_record(files.base, BASE)
    write_json(files.schema, None)
    files.prompt.write_text("", encoding="utf-8")
    write_splits(workspace, {name: held_out(name, count) for name, count in ROWS.items()})
    write_json(files.check / "report.json", {"rows": 108})
    write_json(files.eval / "report.json", {})
    return Bench(workspace, open_store(workspace))


def held_out(split: str, count: int, *, answer: str = "yes") -> list[Example]:
    """Rows of one split, each with a prompt of its own."""
    names = [f"{split}-{number}" for number in range(count)]
    return [Example(name, f"key {name}", (Message("user", name),), answer) for name in names]


def write_splits(
    workspace: Workspace, parts: dict[str, list[Example]], salt: str = "s1", task: str = TASK
) -> None:
    """Leave splits in build/, as the split stage would."""
    folder = workspace.files(task).splits
    for name, part in parts.items():
        write_lines(folder / f"{name}.jsonl", map(to_json, part))
    rows = {name: len(part) for name, part in parts.items()}
    digests = {name: digest_file(folder / f"{name}.jsonl") for name in parts}
    write_record(folder / "manifest.json", SplitReport(task, "d" * 64, salt, rows, {}, digests))


def write_params(root: Path, gate: dict[str, Any]) -> None:
    section = {
        "data": "data/tickets.jsonl",
        "base": {"model": "base/tiny"},
        "split": {"salt": "s1"},
        "check": {},
        "train": {},
        "evaluate": {},
        "gate": {"looks": 20, "min_rows": 10, **gate},
    }
    (root / "params.yaml").write_text(yaml.safe_dump({"tasks": {TASK: section}}))


def write_adapter(folder: Path, seed: int, *, width: int = 8, data: str = "d" * 64) -> None:
    """A LoRA of one layer, its numbers drawn from `seed`; 16 bytes for each one of `width`."""
    draw = np.random.default_rng(seed)
    weights = {
        f"base_model.model.layers.0.q_proj.lora_{side}.weight": draw.normal(size=shape).astype("f4")
        for side, shape in (("A", (2, width)), ("B", (width, 2)))
    }
    with whole_folder(folder) as out:
        (out / WEIGHTS).write_bytes(save(weights))
        config = {"r": 2, "peft_type": "LORA", "target_modules": ["q_proj"]}
        (out / CONFIG).write_text(json.dumps(config))
        manifest = AdapterManifest(
            TASK, BASE, data, 2, {"seed": seed}, ("k1", "k2"), digest_files(out, FILES)
        )
        write_record(out / MANIFEST, manifest)


def manifest_of(folder: Path) -> AdapterManifest:
    from pawl.model.adapter import read_adapter

    return read_adapter(folder)
