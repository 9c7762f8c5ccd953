"""Dev loss during a training: measured where asked for, and the best step's weights stay."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from prepared import TASK, examples, prepared, stopped_after
from test_resume import EXAMPLES, PARAMS, trained

from pawl.config.schema import Train
from pawl.core.records import DevPoint, Training, read_record
from pawl.errors import TrainError
from pawl.model.adapter import WEIGHTS, read_adapter
from pawl.train.choices import PLAIN
from pawl.train.dev_loss import best, evaluated_steps, is_over
from pawl.train.journal import Checkpoints
from pawl.train.loop import Loop, rate_factor
from pawl.train.qlora import prepared as model_on
from pawl.train.row_loss import mean_loss
from pawl.train.rows import token_rows
from pawl.train.run import train
from pawl.train.training import fit

# Four epochs of three steps, and dev rows (`OTHER`) that what is learned contradicts.
BEST = dataclasses.replace(PARAMS, keep="best", learning_rate=0.004, epochs=4)
OTHER = [dataclasses.replace(row, completion="no") for row in EXAMPLES[:4]]


@given(st.integers(1, 300), st.integers(1, 60), st.integers(1, 50))
def test_evaluations_are_spread_over_the_training_and_end_with_its_last_step(
    steps: int, per_epoch: int, count: int
) -> None:
    by_number = evaluated_steps(Train(evaluations=count), steps=steps, steps_per_epoch=per_epoch)
    by_epoch = evaluated_steps(Train(keep="best"), steps=steps, steps_per_epoch=per_epoch)
    for found in (by_number, by_epoch):
        assert found == sorted(set(found))
        assert 1 <= found[0] <= found[-1] == steps
    assert len(by_number) == min(count, steps)
    gaps = [b - a for a, b in itertools.pairwise([0, *by_number])]
    assert max(gaps) - min(gaps) <= 1
    assert all(step % per_epoch == 0 for step in by_epoch[:-1])
    assert evaluated_steps(Train(), steps=steps, steps_per_epoch=per_epoch) == []


@given(st.lists(st.floats(0.1, 9), min_size=1, max_size=20), st.integers(1, 5))
def test_patience_counts_evaluations_without_a_new_best(losses: list[float], patience: int) -> None:
    points = [DevPoint(step, loss) for step, loss in enumerate(losses, 1)]
    since = len(losses) - 1 - losses.index(min(losses))
    assert is_over(points, patience) == (since >= patience)
    assert not is_over(points, None)
    assert best(points).step == losses.index(min(losses)) + 1


@pytest.mark.slow
def test_measuring_dev_loss_changes_no_byte_of_what_is_learned(
    base_folder: Path, tokenizer: Any, tmp_path: Path
) -> None:
    often = dataclasses.replace(PARAMS, evaluations=5)
    plain = trained(base_folder, tokenizer, tmp_path / "plain", None)
    watched = trained(base_folder, tokenizer, tmp_path / "watched", None, often)
    plainly, watchfully = ((tmp_path / n / WEIGHTS).read_bytes() for n in ("plain", "watched"))
    assert plainly == watchfully
    assert watched.points == plain.points
    assert plain.dev_points == ()
    assert [point.step for point in watched.dev_points] == [2, 4, 6, 8, 9]
    assert watched.dev_points[-1].loss == watched.dev_loss


def test_keep_best_leaves_the_weights_of_the_lowest_dev_loss(
    base_folder: Path, tokenizer: Any, tmp_path: Path
) -> None:
    record = fitted(base_folder, tokenizer, BEST)
    losses = [point.loss for point in record.dev_points]
    assert [point.step for point in record.dev_points] == [3, 6, 9, 12]
    assert record.kept == record.dev_points[losses.index(min(losses))].step
    assert record.kept != 12, "this training is meant to get worse on dev"
    assert record.dev_loss == min(losses)
    assert record.dev_loss < losses[-1]


def fitted(base_folder: Path, tokenizer: Any, params: Train) -> Training:
    """A training whose dev rows contradict what it learns."""
    rows, dev = (token_rows(part, tokenizer, max_length=128) for part in (EXAMPLES, OTHER))
    model = model_on(base_folder, params, PLAIN)
    record = fit(model, rows, dev, params=params)
    assert mean_loss(model, dev, choices=PLAIN) == record.dev_loss
    return record


@pytest.mark.slow
def test_a_training_ends_early_once_dev_loss_has_not_fallen_for_its_patience(
    base_folder: Path, tokenizer: Any
) -> None:
    whole = fitted(base_folder, tokenizer, dataclasses.replace(BEST, evaluations=6))
    early = fitted(base_folder, tokenizer, dataclasses.replace(BEST, evaluations=6, patience=1))
    losses = [point.loss for point in whole.dev_points]
    falls = [a > b for a, b in itertools.pairwise(losses)]
    last = falls.index(False) + 1
    assert early.dev_points == whole.dev_points[: last + 1]
    assert early.points == whole.points[: early.dev_points[-1].step]
    assert early.kept == early.dev_points[-2].step
    assert (early.planned, whole.planned) == (12, 12)
    assert len(early.points) < 12


@pytest.mark.slow
@pytest.mark.parametrize("patience", [None, 1])
def test_a_training_stopped_around_an_evaluation_ends_in_the_same_bytes(
    base_folder: Path,
    tokenizer: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    patience: int | None,
) -> None:
    params = dataclasses.replace(BEST, patience=patience)
    whole = trained(base_folder, tokenizer, tmp_path / "whole", None, params)
    checkpoints = Checkpoints(tmp_path / "checkpoints", "q")
    # In the step before an evaluation, in the step of one, and in the step after it.
    for step in (2, 3, 4):
        with monkeypatch.context() as patch:
            stopped_after(step, patch)
            with pytest.raises(TrainError, match=f"asked to end after step {step} of 12"):
                trained(base_folder, tokenizer, tmp_path / "cut", checkpoints, params)
    cut = trained(base_folder, tokenizer, tmp_path / "cut", checkpoints, params)
    same(whole, cut, tmp_path)
    assert cut.resumed == (2, 3, 4)
    # Asked for again, it takes no step and measures nothing twice.
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_take", None)
        again = trained(base_folder, tokenizer, tmp_path / "cut", checkpoints, params)
    same(whole, again, tmp_path)


def same(whole: Training, cut: Training, folder: Path) -> None:
    """The two trainings are the same, to the byte of the adapter."""
    assert (folder / "cut" / WEIGHTS).read_bytes() == (folder / "whole" / WEIGHTS).read_bytes()
    assert (cut.dev_points, cut.kept) == (whole.dev_points, whole.kept)
    assert (cut.points, cut.dev_losses) == (whole.points, whole.dev_losses)


@pytest.mark.slow
def test_the_manifest_and_training_json_say_which_step_was_kept(
    tmp_path: Path, base_folder: Path
) -> None:
    other = [dataclasses.replace(row, completion="no") for row in examples(10, start=500)]
    workspace = prepared(
        tmp_path, base_folder, dev=other, learning_rate=0.004, keep="best", patience=2, epochs=4
    )
    train(workspace, TASK)
    files = workspace.files(TASK)
    record = read_record(files.training, Training)
    manifest = read_adapter(files.adapter)
    assert manifest.step == record.kept == best(record.dev_points).step
    assert (manifest.params["keep"], manifest.params["patience"]) == ("best", 2)
    lines = [json.loads(line) for line in files.points.read_text().splitlines()]
    told = [(line["dev_step"], line["dev_loss"]) for line in lines if "dev_step" in line]
    assert told == [(point.step, point.loss) for point in record.dev_points]


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_a_schedule_warms_up_and_then_never_rises(schedule: Any) -> None:
    params = Train(schedule=schedule, warmup=0.2)
    factors = [rate_factor(params, step, 20) for step in range(20)]
    assert factors[:5] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert all(a >= b for a, b in itertools.pairwise(factors[4:]))
    assert (factors[-1] == 1.0) == (schedule == "constant")


@pytest.mark.slow
@pytest.mark.parametrize(
    "changed",
    [
        {"weight_decay": 0.5},
        {"betas": (0.5, 0.9)},
        {"max_grad_norm": 0.01},
        {"warmup": 0.5},
        {"schedule": "constant"},
    ],
)
def test_each_parameter_of_the_optimiser_reaches_it(
    base_folder: Path, tokenizer: Any, changed: dict[str, Any]
) -> None:
    rows = token_rows(EXAMPLES, tokenizer, max_length=128)
    weights = []
    for params in (PARAMS, dataclasses.replace(PARAMS, **changed)):
        model = model_on(base_folder, params, PLAIN)
        fit(model, rows, rows[:2], params=params)
        trained_ones = (p.detach().flatten() for p in model.parameters() if p.requires_grad)
        weights.append(torch.cat(list(trained_ones)))
    assert not torch.equal(*weights)
