"""What a training came to is drawn on the run below its cycle's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pawl.core.records import Choices, Point, RankTrial, Training, write_record
from pawl.store.descriptions import PARENT
from pawl.store.runs import experiment_id

if TYPE_CHECKING:
    from workbench import Bench


def test_the_ranks_that_were_tried_are_a_curve_on_the_trainings_run(bench: Bench) -> None:
    rungs = (RankTrial(8, 0.2, 0.5, None, True, 9.0), RankTrial(16, 0.1, 0.45, 0.2, False, 9.0))
    training = Training(
        points=(Point(1, 2.5, 1e-3, 0.5, 100),),
        train_loss=0.1, dev_loss=0.45, dev_losses=(0.45,), seconds=18.0, tokens=100,
        tokens_per_second=5.6, choices=Choices(), rungs=rungs,
    )  # fmt: skip
    write_record(bench.workspace.files("tickets").training, training)
    cycle = bench.cycle(1)
    experiment = experiment_id(bench.store, "tickets")
    query = f"tags.`{PARENT}` = '{cycle.run_id}'"
    (run,) = bench.store.client.search_runs([experiment], query)

    def curve(name: str) -> list[tuple[int, float]]:
        found = bench.store.client.get_metric_history(run.info.run_id, name)
        return sorted((metric.step, metric.value) for metric in found)

    assert curve("train/loss") == [(1, 2.5)]
    assert curve("rank/dev_loss") == [(8, 0.5), (16, 0.45)]
    assert curve("rank/gap") == [(8, 0.5 - 0.2), (16, 0.45 - 0.1)]
    assert curve("rank/kept") == [(8, 1.0), (16, 0.0)]
    assert curve("rank/p") == [(16, 0.2)]
