"""What MLflow's own pages say of a cycle: one run for people, rows side by side, a model card."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from judged_rows import RIGHT, cycle_with_rows
from workbench import TASK, Bench, make_bench

from pawl.core.records import Cycle
from pawl.cycle import mlflow_pages
from pawl.cycle.conclude import deliver_outbox
from pawl.cycle.outbox import unwritten_pages
from pawl.errors import RegistryError
from pawl.ledger.state import read_state
from pawl.store.cycle_runs import find_delivered
from pawl.store.descriptions import NOTE, PARENT
from pawl.store.runs import experiment_id


@pytest.fixture(scope="module")
def two(
    tmp_path_factory: pytest.TempPathFactory, empty_store: Path
) -> Iterator[tuple[Bench, Cycle]]:
    """A workspace after two cycles, and the second of them."""
    before = dict(os.environ)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    root = tmp_path_factory.mktemp("two") / "ws"
    (root / ".pawl").mkdir(parents=True)
    shutil.copy(empty_store, root / ".pawl" / "mlflow.db")
    bench = make_bench(root)
    cycle_with_rows(bench, 1)
    yield bench, cycle_with_rows(bench, 2)
    os.environ.clear()
    os.environ.update(before)


def runs(bench: Bench) -> list[Any]:
    return list(bench.store.client.search_runs([experiment_id(bench.store, TASK)]))


def traces(bench: Bench, run: Any) -> dict[str, Any]:
    """The traces of an evaluation run, by row."""
    found = bench.store.client.search_traces(
        locations=[experiment_id(bench.store, TASK)],
        filter_string=f"metadata.`mlflow.sourceRun` = '{run.info.run_id}'",
    )
    return {trace.info.client_request_id: trace for trace in found}


def below(bench: Bench, cycle: Cycle) -> dict[str, Any]:
    """The runs below a cycle's, by the first word of their name."""
    found = [run for run in runs(bench) if run.data.tags.get(PARENT) == cycle.run_id]
    return {run.info.run_name.partition(" ")[0]: run for run in found}


def of_cycles(bench: Bench) -> list[Any]:
    """The runs that are below no other."""
    return [run for run in runs(bench) if PARENT not in run.data.tags]


def test_a_cycle_is_one_run_for_people_with_its_verdict_data_and_few_metrics(
    two: tuple[Bench, Cycle],
) -> None:
    bench, cycle = two
    assert len(of_cycles(bench)) == 2, "a run a cycle, the others are below one"
    (run,) = (run for run in of_cycles(bench) if run.info.run_id == cycle.run_id)
    task, day, *_, verdict = run.info.run_name.split(" · ")
    assert (task, len(day), verdict) == (TASK, 10, "promote")
    assert run.data.metrics == {
        "exact_match": 0.75, "dev_exact_match": 0.7, "exact_match_gain": 0.25
    }  # fmt: skip
    assert run.data.tags["verdict"] == "promote"
    assert run.data.tags["decided by"] == "exact_match 75.0%, champion 50.0%"
    assert "the gate says promote" in run.data.tags[NOTE]
    inputs = {one.dataset.name: one.dataset.profile for one in run.inputs.dataset_inputs}
    assert inputs["train"] == '{"num_rows": 80}'
    assert {"train", "dev", "gate"} == set(inputs)


def test_candidate_and_champion_stand_side_by_side_with_the_figures_of_the_record(
    two: tuple[Bench, Cycle],
) -> None:
    bench, cycle = two
    found = below(bench, cycle)
    assert set(found) == {"candidate", "champion", "zero-shot", "training"}
    for name, right in RIGHT.items():
        assert found[name].data.metrics["exact_match"] == len(right) / 20
        rows = traces(bench, found[name])
        assert len(rows) == 20
        for number in range(20):
            trace = rows[f"gate-{number}"]
            said = {one.name: one.value for one in trace.info.assessments}
            assert said["exact_match"] is (number in right)
            assert said["reference"] == "yes"
            span = trace.data.spans[0]
            assert span.inputs == {"prompt": f"gate-{number}"}
            assert span.outputs == ("yes" if number in right else "no <b>really</b>")
    newest = sorted(
        traces(bench, found["candidate"]).values(), key=lambda one: -one.info.timestamp_ms
    )
    flips = [
        next((a.value for a in trace.info.assessments if a.name == "against champion"), None)
        for trace in newest
    ]
    assert flips == ["lost"] * 5 + ["won"] * 10 + [None] * 5, "what was lost is on top"


def test_the_training_is_below_its_cycle_with_its_curve(two: tuple[Bench, Cycle]) -> None:
    bench, cycle = two
    run = below(bench, cycle)["training"]
    assert run.data.metrics["train/loss"] == 4.0
    assert run.info.status == "FINISHED"


def test_a_sealed_gate_shows_no_row_and_no_score_of_the_gate(bench: Bench) -> None:
    cycle = cycle_with_rows(bench, 1, disclosure="sealed")
    assert set(below(bench, cycle)) == {"training"}
    run = bench.store.client.get_run(cycle.run_id)
    assert run.data.metrics == {"dev_exact_match": 0.7}
    assert not bench.store.client.search_traces(locations=[experiment_id(bench.store, TASK)])
    card = bench.store.client.get_model_version(TASK, "1").description
    for text in (card, run.data.tags[NOTE], run.data.tags["decided by"]):
        assert "75.0%" not in text
        assert "really" not in text


def test_a_versions_card_says_what_it_is_and_how_to_promote_or_roll_back(
    two: tuple[Bench, Cycle],
) -> None:
    bench, _ = two
    card = bench.store.client.get_model_version(TASK, "2").description
    assert card.startswith("promote\n\n")
    for part in (
        'pawl promote tickets 2 --reason "…"', "pawl rollback tickets", "*Promote model*",
        "#### Use", "#### Data", "#### Recipe", "#### Limits", "licence", "+10.0 to +40.0 points",
        "version 1](#/models/tickets/versions/1)", "rows side by side](#/experiments/",
        "pawl data diff tickets v1",
    ):  # fmt: skip
        assert part in card, part
    ledger = bench.store.client.get_registered_model("tickets.ledger")
    assert "nothing to promote" in ledger.description
    assert ledger.tags["not a model"] == "Pawl's ledger"


def test_a_release_stands_though_its_pages_fail_and_the_next_cycle_writes_them(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def down(*_: object, **__: object) -> None:
        raise RegistryError("the tracking store failed", rule="", remedy="")

    with monkeypatch.context() as broken:
        broken.setattr(mlflow_pages, "describe_experiment", down)
        cycle = cycle_with_rows(bench, 1)
    assert (cycle.verdict, read_state(bench.store, TASK).champion.version) == ("promote", 1)
    assert "`pawl resume tickets`" in capsys.readouterr().err
    assert "training" not in below(bench, cycle)
    assert len(unwritten_pages(bench.workspace, TASK)) == 1
    assert deliver_outbox(bench.workspace, bench.store, TASK) == [], "it was delivered"
    assert set(below(bench, cycle)) == {"candidate", "zero-shot", "training"}
    assert unwritten_pages(bench.workspace, TASK) == []


def test_pages_that_were_cut_off_are_written_whole_and_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("pawl.cycle.mlflow_pages.model_card", killed)
        with pytest.raises(KeyboardInterrupt):
            cycle_with_rows(bench, 1)
    deliver_outbox(bench.workspace, bench.store, TASK)
    (cycle,) = of_cycles(bench)
    assert len(runs(bench)) == 4
    mine = below(bench, find_delivered(bench.store, TASK, cycle.data.tags["pawl.posted"]))
    assert len(traces(bench, mine["candidate"])) == 20
    (trace, *_) = traces(bench, mine["candidate"]).values()
    assert [one.name for one in trace.info.assessments].count("exact_match") == 1


def test_what_goes_wrong_in_a_page_is_told_and_fails_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(*_: object, **__: object) -> Path:
        raise AttributeError("MLflow has moved it")

    monkeypatch.setattr("pawl.cycle.runs_below.log_answers", wrong)
    assert cycle_with_rows(bench, 1).verdict == "promote"
    assert "MLflow has moved it; they are given up" in capsys.readouterr().err
    assert unwritten_pages(bench.workspace, TASK) == []
