"""What a training came to is drawn on its cycle's run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pawl.core.records import Choices, Point, RankTrial, Training, write_record

if TYPE_CHECKING:
    from workbench import Bench


def test_the_ranks_that_were_tried_are_a_curve_on_the_run(bench: Bench) -> None:
    rungs = (RankTrial(8, 0.2, 0.5, None, True, 9.0), RankTrial(16, 0.1, 0.45, 0.2, False, 9.0))
    training = Training(
        points=(Point(1, 2.5, 1e-3, 0.5, 100),),
        train_loss=0.1, dev_loss=0.45, dev_losses=(0.45,), seconds=18.0, tokens=100,
        tokens_per_second=5.6, choices=Choices(), rungs=rungs,
    )  # fmt: skip
    write_record(bench.workspace.files("tickets").training, training)
    run = bench.cycle(1).run_id
    assert run is not None

    def curve(name: str) -> list[tuple[int, float]]:
        found = bench.store.client.get_metric_history(run, name)
        return sorted((metric.step, metric.value) for metric in found)

    assert curve("train/loss") == [(1, 2.5)]
    assert curve("rank/dev_loss") == [(8, 0.5), (16, 0.45)]
    assert curve("rank/gap") == [(8, 0.5 - 0.2), (16, 0.45 - 0.1)]
    assert curve("rank/kept") == [(8, 1.0), (16, 0.0)]
    assert curve("rank/p") == [(16, 0.2)]
