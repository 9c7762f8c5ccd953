"""What a training came to is drawn on its cycle's run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pawl.core.files import write_json
from pawl.core.records import RankTrial, to_json

if TYPE_CHECKING:
    from workbench import Bench


def test_the_ranks_that_were_tried_are_a_curve_on_the_run(bench: Bench) -> None:
    rungs = (RankTrial(8, 0.2, 0.5, None, True, 9.0), RankTrial(16, 0.1, 0.45, 0.2, False, 9.0))
    write_json(
        bench.workspace.files("tickets").training,
        {"points": [{"step": 1, "loss": 2.5}], "rungs": list(map(to_json, rungs)), "seconds": 18.0},
    )
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
