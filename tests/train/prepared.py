"""A workspace with all inputs of the stage `train`, without running earlier stages."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pawl.core.files import write_text
from pawl.core.records import BaseRef, Example, Message, Point, SplitReport, to_json, write_record
from pawl.model.base import base_info
from pawl.train.loop import Loop
from pawl.workspace.paths import Workspace

TASK = "t"
CITIES = ("Rome", "Bonn", "Oslo", "Kyiv", "Lima", "Baku", "Riga", "Cork")


def examples(count: int, *, start: int = 0) -> list[Example]:
    """Rows from which a few steps learn something."""
    return [
        Example(
            f"r{i}",
            f"{i:016x}",
            (Message("user", f"order {i} to {CITIES[i % 8]} is late"),),
            f'{{"order":{i},"city":"{CITIES[i % 8]}"}}',
        )
        for i in range(start, start + count)
    ]


def prepared(
    root: Path,
    base_folder: Path,
    *,
    rows: int = 24,
    dev: Sequence[Example] | None = None,
    group_by: str | None = None,
    **train: Any,
) -> Workspace:
    """A workspace with one task, its params and its split."""
    # float32 on every CPU by default: tests compare within its rounding.
    section_train = {
        "epochs": 2,
        "batch_size": 8,
        "max_length": 128,
        "seed": 3,
        "precision": "float32",
    }
    section_train |= train
    section = {
        "data": "d.jsonl",
        "base": {"model": str(base_folder)},
        "check": {},
        "split": {"salt": "s"},
        "train": section_train,
        "evaluate": {},
        "gate": {"floors": {"exact_match": 0.1}},
    }
    write_text(root / "params.yaml", json.dumps({"tasks": {TASK: section}}))
    workspace = Workspace(root)
    files = workspace.files(TASK)
    write_record(files.base, base_info(BaseRef(str(base_folder)), root))
    report = SplitReport(TASK, "d" * 64, "s", {}, {}, {}, group_by=group_by)
    write_record(files.splits / "manifest.json", report)
    dev_rows = examples(10, start=500) if dev is None else dev
    for name, part in (("train", examples(rows)), ("dev", dev_rows)):
        lines = "".join(json.dumps(to_json(row)) + "\n" for row in part)
        write_text(files.splits / f"{name}.jsonl", lines)
    return workspace


def stopped_after(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the process send itself SIGTERM after this step, as on a preempted machine."""
    take = Loop._take

    def taking(self: Loop, batch: Any) -> Point:
        point = take(self, batch)
        if point.step == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return point

    monkeypatch.setattr(Loop, "_take", taking)
