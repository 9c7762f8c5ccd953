"""A training can be watched while it runs: nothing twice, nothing lost, nothing slowed."""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tracking import Server, wait_for
from workbench import TASK, Bench

from pawl.core.records import DevPoint, Point
from pawl.store import live_run as live
from pawl.store.client import Store, open_store
from pawl.store.live_run import shown_live
from pawl.train.step_log import step_log
from pawl.workspace.prefect_server import prefect_settings

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "EVERY", 0.05)
    monkeypatch.setattr(live, "SAMPLE", 0.2)


def test_what_is_told_from_the_thread_goes_to_the_prefect_server_of_the_caller() -> None:
    from prefect.settings import PREFECT_API_URL

    seen: list[str | None] = []
    with (
        prefect_settings({"PREFECT_API_URL": f"{NOWHERE}/api"}),
        live.beside(lambda _: seen.append(PREFECT_API_URL.value()), patience=5.0),
    ):
        pass
    assert seen == [f"{NOWHERE}/api"]


@contextmanager
def training(
    bench: Bench, question: str = "q", *, resumed: int = 0, evaluated: int = 0
) -> Iterator[Any]:
    """The train stage's side: yields what takes steps, each later than the last.

    Dev loss is measured after every second one.
    """
    path = bench.workspace.files(TASK).points
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = itertools.count(resumed + 1)
    with step_log(path, fingerprint=question, resumed=resumed, evaluated=evaluated) as tell:

        def take(steps: int) -> None:
            for step in itertools.islice(numbers, steps):
                tell(Point(step, 3.0 / step, 1e-3, 0.5, 100))
                if step % 2 == 0:
                    tell(DevPoint(step, 4.0 / step))

        yield take


def runs(store: Store) -> list[Any]:
    """The experiment's runs, oldest first."""
    experiment = store.client.get_experiment_by_name(TASK)
    if experiment is None:
        return []
    return list(reversed(store.client.search_runs([experiment.experiment_id])))


def shown(store: Store, run: Any, metric: str = "train/loss") -> list[int]:
    """The steps of a metric that a run shows."""
    return [point.step for point in store.client.get_metric_history(run.info.run_id, metric)]


def test_a_training_shows_while_it_runs_with_all_its_numbers_and_its_machine(bench: Bench) -> None:
    with shown_live(bench.workspace, TASK), training(bench) as take:
        take(3)
        wait_for(
            lambda: bool(runs(bench.store)) and shown(bench.store, runs(bench.store)[0]), seconds=60
        )
        (run,) = runs(bench.store)
        assert run.info.status == "RUNNING"
        assert shown(bench.store, run) == [1, 2, 3]
        take(2)
        wait_for(lambda: len(shown(bench.store, run)) == 5, seconds=60)
        wait_for(
            lambda: (
                "system/cpu_utilization_percentage"
                in bench.store.client.get_run(run.info.run_id).data.metrics
            ),
            seconds=60,
        )
    (run,) = runs(bench.store)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "tickets training")
    assert run.data.metrics["train/loss"] == pytest.approx(3.0 / 5)
    assert run.data.metrics["train/tokens_per_second"] > 0
    assert run.data.metrics["train/memory_gib"] > 0
    assert {"train/learning_rate", "train/grad_norm"} <= set(run.data.metrics)
    assert shown(bench.store, run, "train/dev_loss") == [2, 4]
    assert run.data.metrics["train/dev_loss"] == 1.0
    assert run.data.params["train/rank"]


def test_a_training_that_was_cut_off_goes_on_in_its_run_and_shows_no_step_twice(
    bench: Bench,
) -> None:
    # Killed after step 7: no end is written. The last checkpoint was left after step 6, before its
    # dev loss was measured.
    with shown_live(bench.workspace, TASK):
        context = training(bench)
        context.__enter__()(7)
    assert [run.info.status for run in runs(bench.store)] == ["KILLED"]
    with shown_live(bench.workspace, TASK), training(bench, resumed=6, evaluated=4) as take:
        take(3)
    (run,) = runs(bench.store)
    assert run.info.status == "FINISHED"
    for metric in ("train/loss", "train/memory_gib"):
        assert Counter(shown(bench.store, run, metric)) == Counter(range(1, 10))
    assert Counter(shown(bench.store, run, "train/dev_loss")) == Counter([2, 4, 6, 8])


def test_a_training_that_begins_anew_has_a_run_of_its_own(bench: Bench) -> None:
    for question in ("q", "q", "other"):
        with shown_live(bench.workspace, TASK), training(bench, question) as take:
            take(2)
    assert [run.info.status for run in runs(bench.store)] == ["FINISHED"] * 3


def test_a_training_that_another_took_the_place_of_is_not_shown_as_running(bench: Bench) -> None:
    with shown_live(bench.workspace, TASK):
        context = training(bench)
        context.__enter__()(2)
        wait_for(lambda: bool(runs(bench.store)), seconds=60)
        with training(bench, "other") as take:
            take(1)
    assert [run.info.status for run in runs(bench.store)] == ["KILLED", "FINISHED"]


def test_a_training_that_failed_shows_as_failed(bench: Bench) -> None:
    def broken() -> None:
        with shown_live(bench.workspace, TASK), training(bench) as take:
            take(2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert [run.info.status for run in runs(bench.store)] == ["FAILED"]


def test_a_stage_that_trains_nothing_opens_no_run_and_touches_no_old_one(bench: Bench) -> None:
    with shown_live(bench.workspace, TASK):
        pass
    assert runs(bench.store) == []
    with shown_live(bench.workspace, TASK), training(bench) as take:
        take(2)
    before = runs(bench.store)[0].to_dictionary()
    with shown_live(bench.workspace, TASK):
        time.sleep(0.3)
    assert [run.to_dictionary() for run in runs(bench.store)] == [before]


def test_a_store_that_is_down_costs_a_training_neither_time_nor_a_step(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as down:
        down.setenv("MLFLOW_TRACKING_URI", NOWHERE)
        down.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        start = time.monotonic()
        with shown_live(bench.workspace, TASK), training(bench) as take:
            take(3)
            time.sleep(0.5)
        assert time.monotonic() - start < 5
    assert [record.message for record in caplog.records if "cannot be watched" in record.message]
    assert runs(bench.store) == []
    # What it missed it is told the next time that anything is built.
    with shown_live(bench.workspace, TASK):
        pass
    (run,) = runs(bench.store)
    assert (run.info.status, shown(bench.store, run)) == ("FINISHED", [1, 2, 3])


def test_a_store_that_hangs_does_not_hold_up_what_comes_after_the_training(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "PATIENCE", 0.5)
    monkeypatch.setattr(live, "open_store", lambda _: time.sleep(30))
    start = time.monotonic()
    with shown_live(bench.workspace, TASK), training(bench) as take:
        take(3)
    assert time.monotonic() - start < 5


@pytest.mark.server
@pytest.mark.slow  # two starts of a real server
def test_a_server_that_dies_and_comes_back_is_told_every_step_once(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(tmp_path)
    server.start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    try:
        store = open_store(bench.workspace)
        with shown_live(bench.workspace, TASK), training(bench) as take:
            take(3)
            wait_for(lambda: bool(runs(store)) and bool(shown(store, runs(store)[0])), seconds=60)
            server.kill()
            take(3)
            time.sleep(0.5)
            server.start()
            wait_for(lambda: len(shown(store, runs(store)[0])) == 6, seconds=60)
            take(1)
        (run,) = runs(store)
        assert run.info.status == "FINISHED"
        assert Counter(shown(store, run)) == Counter(range(1, 8))
    finally:
        server.kill()


def test_a_line_that_is_being_written_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "points.jsonl"
    lines = live.StepLogReader(path)
    assert lines.read() is None
    text = json.dumps({"training": "t", "question": "q"}) + '\n{"step": 1}\n{"st'
    path.write_text(text)
    assert lines.read() == [{"step": 1}]
    assert lines.read() is None
    with path.open("a") as file:
        file.write('ep": 2}\n{"end": "FINISHED"}\n')
    assert lines.read() == [{"step": 2}]
    assert (lines.training, lines.end) == ("t", "FINISHED")
