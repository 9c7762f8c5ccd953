"""A new task's section fits its rows and its base."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pawl.commands.init import init
from pawl.commands.new import Sources, new_task
from pawl.core.files import write_lines


@pytest.mark.parametrize(("window", "shots"), [(2048, {4}), (80, {1, 2, 3}), (40, {0})])
def test_the_few_shot_baseline_of_a_new_task_fits_in_the_bases_window(
    tmp_path: Path, base_folder: Path, window: int, shots: set[int]
) -> None:
    base = shutil.copytree(base_folder, tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"max_position_embeddings": window}))
    rows = tmp_path / "rows.jsonl"
    texts = (f"order {i:03} is late" for i in range(99))
    write_lines(rows, ({"prompt": text, "completion": "late"} for text in texts))
    workspace = init(tmp_path / "workspace")
    new_task(workspace, "t", Sources(rows, base=str(base)))
    assert workspace.task("t").evaluate.shots in shots
