"""The champion that a training begins with enters the pipeline as a file, where it does at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from workbench import TASK, Bench, manifest_of

from pawl.core.files import write_text
from pawl.core.records import Champion, read_record
from pawl.cycle.snapshots import snapshot_ancestor
from pawl.errors import ParamsError

DVC = Path(__file__).parents[2] / "dvc.yaml"


def starting(bench: Bench, start: str) -> None:
    """Set `train.start` of the workspace, whose dvc.yaml is today's."""
    path = bench.workspace.params_file
    params = yaml.safe_load(path.read_text())
    params["tasks"][TASK]["train"]["start"] = start
    write_text(path, yaml.safe_dump(params))
    write_text(bench.workspace.root / "dvc.yaml", DVC.read_text(encoding="utf-8"))


@pytest.mark.parametrize("start", ["champion", "both"])
def test_the_champion_of_before_the_training_is_left_with_its_adapter(
    bench: Bench, start: str
) -> None:
    starting(bench, start)
    folder = bench.workspace.files(TASK).ancestor
    snapshot_ancestor(bench.workspace, bench.store, TASK)
    assert read_record(folder / "champion.json", Champion).version is None
    champion = bench.cycle(1).champion
    snapshot_ancestor(bench.workspace, bench.store, TASK)
    assert read_record(folder / "champion.json", Champion) == champion
    assert manifest_of(folder / "adapter").digest == champion.digest
    before = (folder / "champion.json").stat().st_mtime_ns
    snapshot_ancestor(bench.workspace, bench.store, TASK)
    assert (folder / "champion.json").stat().st_mtime_ns == before, "what is there stays"


def test_a_task_that_begins_with_new_weights_has_no_ancestor(bench: Bench) -> None:
    starting(bench, "base")
    bench.cycle(1)
    snapshot_ancestor(bench.workspace, bench.store, TASK)
    assert not bench.workspace.files(TASK).ancestor.exists()


def test_a_promotion_alone_is_no_reason_to_train_again() -> None:
    stages: dict[str, Any] = yaml.safe_load(DVC.read_text(encoding="utf-8"))["stages"]
    reads = set(stages["train"]["do"]["deps"])
    assert "build/${key}/ancestor" in reads
    assert not reads & {*stages["external_inputs"]["do"]["outs"][0], "build/${key}/champion"}


def test_a_pipeline_of_an_earlier_version_is_refused_with_the_remedy(bench: Bench) -> None:
    starting(bench, "champion")
    stages = yaml.safe_load(DVC.read_text(encoding="utf-8"))
    del stages["stages"]["ancestor"]
    write_text(bench.workspace.root / "dvc.yaml", yaml.safe_dump(stages))
    with pytest.raises(ParamsError, match="without a stage `ancestor`") as refused:
        snapshot_ancestor(bench.workspace, bench.store, TASK)
    assert "pawl init" in refused.value.remedy
    assert not bench.workspace.files(TASK).ancestor.exists()
