"""A training that was interrupted ends in the same bytes as one that was not."""

from __future__ import annotations

import dataclasses
import logging
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from prepared import stopped_after

from pawl.config.schema import Train
from pawl.core.records import AdapterManifest, BaseRef, Example, Message, Training
from pawl.errors import TrainError
from pawl.model.adapter import WEIGHTS
from pawl.model.base import base_info
from pawl.train.checkpoint import MANIFEST, STATE
from pawl.train.choices import PLAIN
from pawl.train.journal import Checkpoints, training_fingerprint
from pawl.train.qlora import prepared, save
from pawl.train.rows import token_rows
from pawl.train.training import fit

# Dropout, an epoch that ends in a short batch, and a kill in the middle of an epoch.
PARAMS = Train(
    rank=4, epochs=3, batch_size=4, max_length=128, seed=3, dropout=0.1, precision="float32"
)
# Without dropout LoRA takes the merged product.
HALF = dataclasses.replace(PARAMS, dropout=0.0, precision="bfloat16")
# The weights of the best evaluation are a part of what is resumed.
BEST = dataclasses.replace(PARAMS, keep="best", evaluations=5, patience=3)
TRAININGS = {"float32": PARAMS, "bfloat16": HALF, "best": BEST}
EXAMPLES = [
    Example(f"r{i}", f"{i:016x}", (Message("user", f"order {i} is late"),), f'{{"order":{i}}}')
    for i in range(10)
]


def trained(
    base_folder: Path,
    tokenizer: Any,
    into: Path,
    checkpoints: Checkpoints | None,
    params: Train = PARAMS,
) -> Training:
    """Train, resuming from `checkpoints`, and save the adapter."""
    rows = token_rows(EXAMPLES, tokenizer, max_length=params.max_length)
    model = prepared(base_folder, params, PLAIN)
    curve = fit(model, rows, rows[:4], params=params, checkpoints=checkpoints)
    base = base_info(BaseRef(base_folder.name), base_folder.parent)
    save(model, AdapterManifest("t", base, "d", 4, {}, ("k",), {}), into)
    return curve


@pytest.fixture(scope="module")
def whole(base_folder: Path, tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The weights of an uninterrupted training."""
    folder = tmp_path_factory.mktemp("whole")
    trained(base_folder, tokenizer, folder / "adapter", None)
    return (folder / "adapter" / WEIGHTS).read_bytes()


@pytest.fixture(scope="module")
def stopped(base_folder: Path, tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoints of a training that was stopped after its fifth step: of steps 4 and 5."""
    folder = tmp_path_factory.mktemp("stopped")
    checkpoints = Checkpoints(folder / "checkpoints", "q", every=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pawl.train.journal.SHARE", 0)
        stopped_after(5, patch)
        with pytest.raises(TrainError):
            trained(base_folder, tokenizer, folder / "cut", checkpoints)
    return checkpoints.folder


def test_a_training_stopped_by_sigterm_resumes_to_the_same_bytes(
    base_folder: Path, tokenizer: Any, tmp_path: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints", "q")
    for step in (2, 5):
        with monkeypatch.context() as patch:
            stopped_after(step, patch)
            with pytest.raises(TrainError, match=f"asked to end after step {step} of 9"):
                trained(base_folder, tokenizer, tmp_path / "cut", checkpoints)
        assert not (tmp_path / "cut").exists()
    curve = trained(base_folder, tokenizer, tmp_path / "cut", checkpoints)
    assert (tmp_path / "cut" / WEIGHTS).read_bytes() == whole
    assert curve.resumed == (2, 5)
    assert [point.step for point in curve.points] == list(range(1, 10))


@pytest.mark.parametrize("harm", ["cut", "flipped", "no manifest", "edited", "another's"])
def test_an_invalid_checkpoint_is_skipped(
    base_folder: Path,
    tokenizer: Any,
    tmp_path: Path,
    whole: bytes,
    stopped: Path,
    harm: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints", "q", every=0.0)
    shutil.copytree(stopped, checkpoints.folder)
    earlier, newest = sorted(path for path in checkpoints.folder.iterdir())
    assert (earlier.name, newest.name) == ("step-00000004", "step-00000005")
    if harm == "cut":
        (newest / STATE).write_bytes((newest / STATE).read_bytes()[:-9])
    elif harm == "flipped":
        data = bytearray((newest / STATE).read_bytes())
        data[-100] ^= 1
        (newest / STATE).write_bytes(data)
    elif harm == "no manifest":
        (newest / MANIFEST).unlink()
    elif harm == "edited":
        # The step would be repeated: only the seal shows the edit.
        text = (newest / MANIFEST).read_text()
        (newest / MANIFEST).write_text(text.replace('"step": 5', '"step": 4'))
    else:
        checkpoints = dataclasses.replace(checkpoints, fingerprint="another")
    with caplog.at_level(logging.WARNING):
        curve = trained(base_folder, tokenizer, tmp_path / "cut", checkpoints)
    assert (tmp_path / "cut" / WEIGHTS).read_bytes() == whole
    assert curve.resumed == (() if harm == "another's" else (4,))
    assert ("is damaged and not used" in caplog.text) == (harm != "another's")


@pytest.mark.slow
def test_checkpoints_of_another_training_do_not_displace_those_of_this_one(
    base_folder: Path, tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints", "q", every=0.0)
    monkeypatch.setattr("pawl.train.journal.SHARE", 0)
    for folder, step in (
        (dataclasses.replace(checkpoints, fingerprint="longer"), 7),
        (checkpoints, 2),
    ):
        with monkeypatch.context() as patch:
            stopped_after(step, patch)
            with pytest.raises(TrainError):
                trained(base_folder, tokenizer, tmp_path / "cut", folder)
    assert trained(base_folder, tokenizer, tmp_path / "cut", checkpoints).resumed == (2,)


def test_the_fingerprint_covers_all_that_a_training_depends_on(
    base_folder: Path, tokenizer: Any
) -> None:
    base = base_info(BaseRef(base_folder.name), base_folder.parent)
    rows = token_rows(EXAMPLES, tokenizer, max_length=128)
    fingerprints = {
        training_fingerprint(base, rows, PARAMS, PLAIN),
        training_fingerprint(dataclasses.replace(base, digest="other"), rows, PARAMS, PLAIN),
        training_fingerprint(base, rows[:-1], PARAMS, PLAIN),
        training_fingerprint(base, rows[::-1], PARAMS, PLAIN),
        training_fingerprint(base, rows, dataclasses.replace(PARAMS, seed=4), PLAIN),
        training_fingerprint(base, rows, PARAMS, dataclasses.replace(PLAIN, room=512)),
    }
    assert len(fingerprints) == 6


CHILD = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[1]]
import pawl.train.journal as journal
journal.SHARE = 0
from test_resume import TRAININGS, trained
from pawl.model.tokenizer import load_tokenizer
from pawl.train.choices import PLAIN
from pawl.train.journal import Checkpoints
base, into, params = Path(sys.argv[2]), Path(sys.argv[3]), TRAININGS[sys.argv[4]]
checkpoints = Checkpoints(into / "checkpoints", "q", every=0.0)
trained(base, load_tokenizer(base), into / "adapter", checkpoints, params)
"""


def child(base_folder: Path, into: Path, name: str) -> subprocess.Popen[bytes]:
    """A training in a process of its own, with a checkpoint after each step."""
    given = (Path(__file__).parent, base_folder, into, name)
    command = [sys.executable, "-c", CHILD, *map(str, given)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def left(into: Path) -> list[Path]:
    """The checkpoints in the folder."""
    return list((into / "checkpoints").glob("step-*"))


def killed_and_resumed(
    base_folder: Path, into: Path, pauses: list[float], name: str = "float32"
) -> int:
    """Kill the training after each pause from its first checkpoint on; return the hits."""
    kills = 0
    for pause in pauses:
        process, seen = child(base_folder, into, name), set(left(into))
        while process.poll() is None and set(left(into)) <= seen:
            time.sleep(0.002)
        time.sleep(pause)
        process.kill()
        kills += process.wait() == -signal.SIGKILL
    assert child(base_folder, into, name).wait() == 0
    return kills


@pytest.mark.slow
def test_a_training_killed_at_random_ends_in_the_same_bytes(
    base_folder: Path, tmp_path: Path, whole: bytes
) -> None:
    assert killed_and_resumed(base_folder, tmp_path, [0.01, 0.05]) >= 1
    assert (tmp_path / "adapter" / WEIGHTS).read_bytes() == whole


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bfloat16", "best"])
def test_other_trainings_killed_at_random_end_in_the_same_bytes(
    base_folder: Path, tokenizer: Any, tmp_path: Path, name: str
) -> None:
    trained(base_folder, tokenizer, tmp_path / "whole", None, TRAININGS[name])
    assert killed_and_resumed(base_folder, tmp_path, [0.01, 0.05], name) >= 1
    whole, resumed = ((tmp_path / name / WEIGHTS).read_bytes() for name in ("whole", "adapter"))
    assert resumed == whole


@pytest.mark.slow
@pytest.mark.timeout(7200)  # some 80 processes, each of which loads torch
@pytest.mark.parametrize("name", TRAININGS)
def test_fifty_kills_at_random_moments_end_in_the_same_bytes(
    base_folder: Path, tokenizer: Any, tmp_path: Path, name: str
) -> None:
    trained(base_folder, tokenizer, tmp_path / "whole", None, TRAININGS[name])
    whole = (tmp_path / "whole" / WEIGHTS).read_bytes()
    generator = torch.Generator().manual_seed(11)
    met, trial = 0, 0
    while met < 50:
        into = tmp_path / f"t{trial}"
        pauses = (torch.rand(3, generator=generator) * 0.15).tolist()
        met += killed_and_resumed(base_folder, into, pauses, name)
        assert (into / "adapter" / WEIGHTS).read_bytes() == whole
        trial += 1
