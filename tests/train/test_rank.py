"""A larger rank is chosen only if it helps beyond noise, and the search changes no training."""

from __future__ import annotations

import dataclasses
import io
import itertools
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prepared import TASK, examples, prepared

from pawl.core.records import Point, Training, read_record
from pawl.errors import TrainError
from pawl.model.adapter import WEIGHTS, read_adapter
from pawl.report.console import Terminal
from pawl.report.ranks import read_rank_trials, show_rank_trials
from pawl.train.choices import PLAIN
from pawl.train.loop import Loop
from pawl.train.rank import LEAST, LEVEL, p_value, ranks, search_rank
from pawl.train.run import train
from pawl.workspace.paths import Workspace

UNGROUPED = [None] * 200


@given(st.integers(1, 20_000))
def test_ranks_double_from_eight_and_never_exceed_the_bases_width(width: int) -> None:
    tried = ranks(width)
    assert tried[0] == min(8, width)
    assert all(b == 2 * a for a, b in itertools.pairwise(tried))
    assert tried[-1] <= width
    assert tried[-1] == 128 or 2 * tried[-1] > width


def curve(losses: Any) -> Training:
    found = tuple(map(float, losses))
    return Training(
        points=(),
        train_loss=0.0,
        dev_loss=sum(found) / len(found),
        dev_losses=found,
        seconds=1.0,
        tokens=1,
        tokens_per_second=1.0,
        choices=PLAIN,
    )


def searched(losses: dict[int, Any]) -> tuple[int, Training, list[int]]:
    """The rank chosen, its curve, and the ranks that were trained."""
    tried: list[int] = []

    def attempt(rank: int) -> Training:
        tried.append(rank)
        return curve(losses[rank])

    groups = [None] * len(losses[8])
    rank, found = search_rank([8, 16, 32, 64], attempt, groups=groups)
    return rank, found, tried


def test_the_search_stops_at_the_first_rank_that_does_not_help_and_chooses_the_previous() -> None:
    draw = np.random.default_rng(1)
    row = draw.gamma(2, 0.2, size=60)
    better, same = row * draw.normal(0.8, 0.1, 60), row * draw.normal(0.8, 0.1, 60)
    rank, found, tried = searched({8: row, 16: better, 32: same, 64: row * 0})
    assert (rank, tried) == (16, [8, 16, 32])
    assert found.dev_losses == tuple(better)
    assert [rung.kept for rung in found.rungs] == [True, True, False]
    assert [rung.p is None for rung in found.rungs] == [True, False, False]
    assert found.seconds == 3.0
    rank, _, tried = searched({8: row, 16: row * 0.9, 32: row * 0.8, 64: row * 0.7})
    assert (rank, tried) == (64, [8, 16, 32, 64])
    rank, _, tried = searched({8: row, 16: row, 32: row * 0.5, 64: row * 0.4})
    assert (rank, tried) == (8, [8, 16])


NOISES = {
    "normal": lambda draw, shape: draw.normal(size=shape),
    "skewed": lambda draw, shape: draw.lognormal(0, 1.5, size=shape),
    "with wild rows": lambda draw, shape: draw.standard_t(1.5, size=shape),
}


@pytest.mark.parametrize("noise", NOISES)
def test_without_a_gain_at_most_five_in_a_hundred_steps_are_taken(noise: str) -> None:
    # Both ranks have the same expected loss on each row; 10 rows, so that p is exact.
    draw, trials, rows = np.random.default_rng(5), 400, 10
    each = draw.gamma(2, 1.0, size=(trials, 1, rows))
    losses = each + NOISES[noise](draw, (trials, 2, rows))
    taken = sum(p_value(a, b, UNGROUPED[:rows]) < LEVEL for a, b in losses)
    # 3 standard deviations above 5 in 100.
    assert taken / trials < LEVEL + 3 * (LEVEL * (1 - LEVEL) / trials) ** 0.5


def test_a_gain_that_the_rows_show_is_seen() -> None:
    draw, trials, rows = np.random.default_rng(6), 60, 80
    each = draw.gamma(2, 0.1, size=(trials, rows))
    larger = each * 0.9 + draw.normal(0, 0.02, size=(trials, rows))
    taken = sum(p_value(a, b, [None] * rows) < LEVEL for a, b in zip(each, larger, strict=True))
    assert taken / trials > 0.95


def test_a_gain_within_the_variation_of_seeds_does_not_count_whatever_the_rows() -> None:
    losses = np.random.default_rng(7).gamma(2, 0.1, size=3000)
    assert p_value(losses, losses * (1 - LEAST), [None] * 3000) > LEVEL
    assert p_value(losses, losses * (1 - 2 * LEAST), [None] * 3000) < LEVEL


def test_rows_of_one_group_are_one_piece_of_evidence() -> None:
    losses, better = np.ones(40), np.full(40, 0.5)
    assert p_value(losses, better, [None] * 40) < LEVEL
    groups = [f"customer {i % 4}" for i in range(40)]
    assert p_value(losses, better, groups) == 1 / 2**4


def steps_taken(monkeypatch: pytest.MonkeyPatch, *, stop: tuple[int, int] | None = None) -> Any:
    """Record (rank, step) of all steps from now on; SIGTERM to this process after `stop`."""
    taken: list[tuple[int, int]] = []
    take = Loop._take

    def taking(self: Loop, batch: Any) -> Point:
        point = take(self, batch)
        taken.append((int(self.params.rank), point.step))
        if taken[-1] == stop:
            os.kill(os.getpid(), signal.SIGTERM)
        return point

    monkeypatch.setattr(Loop, "_take", taking)
    return taken


def weights(workspace: Workspace) -> bytes:
    return (workspace.files(TASK).adapter / WEIGHTS).read_bytes()


def rungs(workspace: Workspace) -> list[tuple[Any, ...]]:
    """All of the rungs but the seconds."""
    found = read_record(workspace.files(TASK).training, Training).rungs
    return [dataclasses.astuple(dataclasses.replace(rung, seconds=0.0)) for rung in found]


@pytest.mark.slow
def test_a_search_gives_the_adapter_of_its_rank_and_an_interrupted_one_the_same_bytes(
    base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pawl.train.rank.TOP", 16)
    whole = prepared(tmp_path / "whole", base_folder, rank="auto")
    train(whole, TASK)
    tried = [rung[0] for rung in rungs(whole)]
    rank = read_adapter(whole.files(TASK).adapter).rank
    assert tried == [8, 16]
    assert rank == [rung[0] for rung in rungs(whole) if rung[4]][-1]

    fixed = prepared(tmp_path / "fixed", base_folder, rank=rank)
    train(fixed, TASK)
    assert weights(fixed) == weights(whole)

    cut = prepared(tmp_path / "cut", base_folder, rank="auto")
    with monkeypatch.context() as patch:
        steps_taken(patch, stop=(16, 2))
        with pytest.raises(TrainError, match="asked to end after step 2"):
            train(cut, TASK)
    assert not cut.files(TASK).adapter.exists()
    with monkeypatch.context() as patch:
        taken = steps_taken(patch)
        train(cut, TASK)
    assert 8 not in {rank for rank, _ in taken}
    assert [step for rank, step in taken if rank == 16] == [3, 4, 5, 6]
    assert weights(cut) == weights(whole)
    assert rungs(cut) == rungs(whole)
    assert not cut.checkpoints(TASK).exists()


@pytest.mark.slow
def test_if_the_larger_rank_does_not_help_the_smaller_is_chosen(
    base_folder: Path, tmp_path: Path
) -> None:
    # Four dev rows cannot show a gain at 5 in 100: one in 16 is the least.
    dev = examples(4, start=500)
    workspace = prepared(tmp_path, base_folder, rank="auto", dev=dev, epochs=1)
    train(workspace, TASK)
    manifest = read_adapter(workspace.files(TASK).adapter)
    assert (manifest.rank, manifest.params["rank"]) == (8, "auto")
    assert [rung[0] for rung in rungs(workspace)] == [8, 16]
    first, second = read_rank_trials(workspace.files(TASK).training)
    assert first.gap == first.dev_loss - first.train_loss != 0
    shown = Terminal(record=True, width=100, file=io.StringIO())
    show_rank_trials((first, second), title="ranks", console=shown)
    table = shown.export_text()
    marks = {line.split("│")[1].strip(): line for line in table.splitlines() if "│" in line}
    assert "chosen" in marks["8"]
    assert "no better" in marks["16"]
    assert f"{first.gap:.4g}" in table
