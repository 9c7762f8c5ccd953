"""What a cycle tells as it goes on: its steps, what they usually take, what a training has left."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from pawl.core.records import Point
from pawl.cycle import progress
from pawl.cycle.progress import durations, left, span, telling, timed, training_told
from pawl.train.step_log import step_log
from pawl.workspace.paths import Workspace


def test_what_is_left_is_a_range_by_the_pace_of_the_last_steps() -> None:
    at, steps = 0, []
    for step in range(1, 12):
        at += 1000 if step % 2 else 3000
        steps.append({"step": step, "at": at})
    low, high = left(steps, 111) or (0, 0)
    assert (low, high) == (100, 300)
    assert left(steps, 11) == (0, 0)
    assert left(steps, None) is left(steps[:3], 111) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        ((3, 5), "3 to 5 s"), ((40, 300), "40 s to 5 min"), ((540, 780), "9 to 13 min"),
        ((60, 60.2), "about 60 s"), ((3000, 7200), "50 min to 2.0 h"),
    ],
)  # fmt: skip
def test_a_range_of_time_is_said_as_people_say_it(seconds: tuple[float, float], words: str) -> None:
    assert span(*seconds) == words


def test_a_step_tells_how_long_the_last_ones_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, said = Workspace(tmp_path), []
    clock = iter([0, 200, 1000, 1400, 5000, 5000.1])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with telling(said.append):
        for _ in range(3):
            with timed(workspace, "t", "train"):
                pass
    assert said == [
        "train", "train: done in 3 min",
        "train: about 3 min, by the last cycles", "train: done in 7 min",
        "train: 3 to 7 min, by the last cycles", "train: done in 0 s",
    ]  # fmt: skip
    # What was up to date says nothing on how long it takes.
    assert durations(workspace, "t") == {"train": [200, 400]}
    workspace.durations("t").write_text("[no json")
    assert durations(workspace, "t") == {}


def test_a_training_is_told_step_by_step_and_not_where_a_bar_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.02)
    monkeypatch.setattr(progress, "LINES", 0.0)
    workspace = Workspace(tmp_path)
    path = workspace.files("t").points
    path.parent.mkdir(parents=True)
    told: list[str] = []
    unseen: list[str] = []
    with telling(told.append), telling(unseen.append, bars=False), training_told(workspace, "t"):
        with step_log(path, steps=40) as log:
            for step in range(1, 21):
                log(Point(step, 1 / step, 1e-3, 0.5, 100))
                time.sleep(0.02)
        time.sleep(0.1)
    assert told[-1].startswith("train: step 20 of 40, loss 0.050, ")
    assert unseen == []


def test_prefects_word_that_a_step_completed_is_left_out_and_no_other(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefect = logging.getLogger("prefect.task_runs")
    monkeypatch.setattr(prefect, "propagate", True)
    with caplog.at_level(logging.INFO, "prefect.task_runs"):
        with telling(lambda _line: None):
            prefect.info("Finished in state Completed()")
            prefect.info("Finished in state Failed('no')")
        prefect.info("Finished in state Completed() again")
    assert caplog.messages == [
        "Finished in state Failed('no')",
        "Finished in state Completed() again",
    ]
