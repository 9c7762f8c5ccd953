"""Several processes take the same steps as one, end together, and resume together."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tracking import wait_for

from pawl.core.files import write_lines
from pawl.core.records import (
    BaseRef,
    Choices,
    Example,
    Message,
    Passes,
    SplitReport,
    to_json,
    write_record,
)
from pawl.errors import TrainError
from pawl.model.adapter import WEIGHTS, read_adapter
from pawl.model.base import base_info
from pawl.train.pack import packed
from pawl.train.process_group import ProcessGroup, deal_rows
from pawl.train.rows import Row
from pawl.workspace.paths import Workspace
from pawl.workspace.stages import read_failure

TASK = "orders"
# float32 on every CPU: curves are compared by its rounding.
TRAIN = {
    "rank": 4,
    "epochs": 2,
    "batch_size": 4,
    "max_length": 128,
    "seed": 3,
    "precision": "float32",
}
# The last step of an epoch has one row: one of two processes has nothing to learn then.
EXAMPLES = [
    Example(f"r{i}", f"{i:016x}", (Message("user", f"order {i} is late" + " again" * i),), f"{i}")
    for i in range(13)
]


def workspace(root: Path, base: Path, **train: Any) -> Workspace:
    """A workspace with all inputs of the train stage."""
    task = {"data": "rows.jsonl", "base": {"model": str(base)}, "check": {}, "evaluate": {}}
    task |= {"split": {"salt": "s"}, "train": TRAIN | train, "gate": {"floors": {"json_valid": 0}}}
    root.mkdir()
    (root / "params.yaml").write_text(yaml.safe_dump({"tasks": {TASK: task}}))
    made = Workspace(root)
    files = made.files(TASK)
    write_record(files.base, base_info(BaseRef(str(base)), root))
    rows = {"train": len(EXAMPLES), "dev": 4, "gate": 0}
    write_record(files.splits / "manifest.json", SplitReport(TASK, "d", "s", rows, {}, {}))
    write_lines(files.splits / "train.jsonl", map(to_json, EXAMPLES))
    write_lines(files.splits / "dev.jsonl", map(to_json, EXAMPLES[:4]))
    return made


def start(there: Workspace, *, patch: str = "") -> subprocess.Popen[str]:
    """Start the train stage as DVC does; each of its processes first runs the code `patch`."""
    site = there.root / "patch"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(patch)
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-m", "pawl.train", "train", TASK],
        cwd=there.root,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def trained(there: Workspace) -> dict[str, Any]:
    """The record of a successful training."""
    process = start(there)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    training: dict[str, Any] = json.loads(there.files(TASK).training.read_text())
    return training


def steps(there: Workspace) -> list[dict[str, Any]]:
    """The steps in the log so far, in its order."""
    path = there.files(TASK).points
    lines = path.read_text().splitlines() if path.is_file() else []
    return [line for line in map(json.loads, lines) if "step" in line]


def same_curve(one: dict[str, Any], other: dict[str, Any]) -> None:
    for mine, its in zip(one["points"], other["points"], strict=True):
        assert its["step"] == mine["step"]
        assert its["tokens"] == mine["tokens"]
        assert its["loss"] == pytest.approx(mine["loss"], rel=2e-4)
        assert its["grad_norm"] == pytest.approx(mine["grad_norm"], rel=2e-3)
    assert other["dev_loss"] == pytest.approx(one["dev_loss"], rel=2e-4)


@given(st.lists(st.integers(1, 500), min_size=1, max_size=40), st.integers(1, 9))
def test_rows_are_dealt_once_each_and_evenly(lengths: list[int], among: int) -> None:
    dealt = deal_rows(lengths, among=among)
    assert sorted(row for share in dealt for row in share) == list(range(len(lengths)))
    tokens = [sum(lengths[row] for row in share) for share in dealt]
    # The largest share was the smallest when it got its last row.
    assert max(tokens) - min(tokens) <= max(lengths)
    assert dealt == deal_rows(lengths, among=among)


@given(
    st.lists(st.integers(2, 90), min_size=1, max_size=20),
    st.integers(1, 5),
    st.sampled_from(["packed", "rows"]),
)
def test_all_processes_get_as_many_packs_and_every_row_counts_once(
    lengths: list[int], size: int, passes: Passes
) -> None:
    rows = [Row(str(i), tuple(range(length)), 1) for i, length in enumerate(lengths)]
    choices = Choices(room=100, passes=passes)
    found = [ProcessGroup(rank, size).packs(rows, choices) for rank in range(size)]
    assert len({len(packs) for packs in found}) == 1
    counted = [pack for packs in found for pack, counts in packs if counts]
    learned = sum(len(pack.targets) for pack in counted)
    assert learned == sum(len(row) - row.prompt for row in rows)
    if size == 1:
        alone = packed(rows, room=100, apart=passes == "rows")
        assert [pack.lengths for pack in counted] == [pack.lengths for pack in alone]


@pytest.mark.slow
def test_two_processes_have_the_curve_of_one(tmp_path: Path, base_folder: Path) -> None:
    one = trained(workspace(tmp_path / "one", base_folder))
    two = workspace(tmp_path / "two", base_folder, processes=2)
    same_curve(one, trained(two))
    # Equal curves of nothing would prove nothing.
    assert one["points"][-1]["loss"] < 0.9 * one["points"][0]["loss"]
    assert read_adapter(two.files(TASK).adapter).params["processes"] == 2
    assert [step["step"] for step in steps(two)] == list(range(1, 9))
    assert not two.checkpoints(TASK).exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "train",
    [
        {"parallel": "ddp", "dropout": 0.1},
        {"parallel": "fsdp", "dropout": 0.1},
        {"parallel": "ddp", "precision": "bfloat16"},
        {"parallel": "fsdp", "precision": "bfloat16"},
    ],
)
def test_two_processes_end_in_the_same_bytes_each_time(
    tmp_path: Path, base_folder: Path, train: dict[str, Any]
) -> None:
    made = []
    for name in ("a", "b"):
        there = workspace(tmp_path / name, base_folder, processes=2, **train)
        trained(there)
        made.append((there.files(TASK).adapter / WEIGHTS).read_bytes())
    assert made[0] == made[1]


@pytest.mark.slow
def test_a_sharded_base_trains_like_a_whole_one(tmp_path: Path, base_folder: Path) -> None:
    one = trained(workspace(tmp_path / "one", base_folder))
    same_curve(one, trained(workspace(tmp_path / "two", base_folder, processes=2, parallel="fsdp")))


@pytest.mark.slow
@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_several_processes_keep_the_weights_that_one_would_keep(
    tmp_path: Path, base_folder: Path, parallel: str
) -> None:
    best = {"keep": "best", "evaluations": 5, "epochs": 5, "patience": 2}
    made = []
    for name, more in (("one", {}), ("two", {"processes": 2, "parallel": parallel})):
        there = workspace(tmp_path / name, base_folder, **best, **more)
        # Other answers than those that are learned: what dev asks for is soon forgotten.
        dev = [dataclasses.replace(row, completion="soon") for row in EXAMPLES[:4]]
        write_lines(there.files(TASK).splits / "dev.jsonl", map(to_json, dev))
        made.append(trained(there))
    one, two = made
    assert one["kept"] < one["points"][-1]["step"]
    assert two["kept"] == one["kept"]
    assert [point["step"] for point in two["dev_points"]] == [
        point["step"] for point in one["dev_points"]
    ]
    lowest = min(point["loss"] for point in two["dev_points"])
    assert two["dev_loss"] == pytest.approx(lowest, rel=2e-4)
    assert two["dev_loss"] == pytest.approx(one["dev_loss"], rel=2e-3)


# In process `{rank}`, at the beginning of step 3.
AT_STEP = """
import os, sys
if os.environ.get("RANK") == "{rank}":
    import pawl.train.loop as loop
    take = loop.Loop._take
    def taking(self, batch):
        if self.step + 1 == 3:
            {do}
        return take(self, batch)
    loop.Loop._take = taking
"""
NAN = "import torch; next(iter(self.weights.values())).data.fill_(torch.nan)"
RAISES = "raise ZeroDivisionError('nobody expected this')"
KILLED = "os.kill(os.getpid(), 9)"


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(
    ("do", "says"),
    [
        (NAN, "at step 3 is not a finite number; its rows: r"),
        (RAISES, "process {rank} of the 2 that train ended with exit code 1"),
        (KILLED, "process {rank} of the 2 that train ended by SIGKILL"),
    ],
    ids=["nan", "unexpected", "killed"],
)
def test_an_error_in_one_process_ends_all_and_is_reported_once(
    tmp_path: Path, base_folder: Path, rank: int, do: str, says: str
) -> None:
    there = workspace(tmp_path / "ws", base_folder, processes=2)
    process = start(there, patch=AT_STEP.format(rank=rank, do=do))
    _, errors = process.communicate(timeout=300)
    assert process.returncode == TrainError.exit_code, errors
    failure = read_failure(there, TASK)
    assert isinstance(failure, TrainError)
    assert says.format(rank=rank) in failure.found, errors
    assert "ChildFailedError" not in errors
    assert not there.files(TASK).adapter.exists()
    assert workers(there) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("word", "parallel"),
    [("SIGTERM to all", "ddp"), ("SIGTERM to the launcher", "fsdp"), ("SIGKILL to one", "ddp")],
)
def test_an_interrupted_training_of_two_resumes_to_the_same_bytes(
    tmp_path: Path, base_folder: Path, word: str, parallel: str
) -> None:
    recipe = {"processes": 2, "parallel": parallel, "dropout": 0.1, "epochs": 12}
    whole, there = (workspace(tmp_path / name, base_folder, **recipe) for name in ("whole", "cut"))
    trained(whole)
    soon = "import pawl.train.journal as j; j.Journal._interval = lambda self: 0.0\n"
    slow = AT_STEP.format(rank=0, do="import time; time.sleep(0.1)").replace("== 3", "> 0")
    process = start(there, patch=slow if word != "SIGKILL to one" else soon + slow)
    wait_for(lambda: len(steps(there)) >= 4, seconds=200)
    if word == "SIGTERM to all":
        os.killpg(process.pid, signal.SIGTERM)
    elif word == "SIGTERM to the launcher":
        process.terminate()
    else:
        os.kill(workers(there)[-1], signal.SIGKILL)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == TrainError.exit_code, errors
    assert workers(there) == []
    curve = trained(there)
    assert curve["resumed"], errors
    assert [point["step"] for point in curve["points"]] == list(range(1, len(curve["points"]) + 1))
    mine, other = (done.files(TASK).adapter / WEIGHTS for done in (whole, there))
    assert mine.read_bytes() == other.read_bytes()


@pytest.mark.slow
def test_processes_do_not_outlive_a_launcher_that_was_killed(
    tmp_path: Path, base_folder: Path
) -> None:
    there = workspace(tmp_path / "ws", base_folder, processes=2, epochs=500)
    process = start(there)
    wait_for(lambda: len(steps(there)) >= 2, seconds=200)
    assert len(workers(there)) == 2
    process.kill()
    process.communicate()
    wait_for(lambda: workers(there) == [], seconds=20)


def workers(there: Workspace) -> list[int]:
    """The ids of the processes that train in the workspace now."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            here = (path / "cwd").resolve() == there.root.resolve()
            line = (path / "cmdline").read_bytes()
        except OSError:
            # It ended while we looked.
            continue
        if here and b"worker" in line and b"pawl.train" in line:
            found.append(int(path.name))
    return sorted(found)
