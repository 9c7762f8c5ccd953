"""What MLflow's pages of a cycle cost: `python bench/pages_cost.py WORKSPACE`.

The workspace (one with registered versions and a SQLite record, as `make story` leaves) is copied,
and the pages of each of its versions are written anew; wall and CPU seconds, rows shown, and the
share of the training's own seconds, which a cycle takes at least.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from pawl.core.records import Training, read_record
from pawl.cycle.mlflow_pages import write_pages
from pawl.cycle.outbox import Order
from pawl.cycle.shown_answers import judged_rows
from pawl.store.client import open_store
from pawl.store.cycle_runs import _cycle_of
from pawl.store.pages import RunPage
from pawl.store.runs import experiment_id
from pawl.store.versions import versions
from pawl.workspace.paths import TaskFiles, Workspace


def main() -> None:
    """Print a line a version."""
    source = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "ws"
        shutil.copytree(source, copy, symlinks=True)
        workspace = Workspace(copy)
        store = open_store(workspace)
        for task in workspace.params().tasks:
            for version in versions(store, task):
                place = workspace.home / "artifacts" / task / version.run_id / "artifacts"
                files = TaskFiles(place)
                cycle = _cycle_of(store, RunPage.of(store.client.get_run(version.run_id)))
                order = Order(
                    task, version.op_id, "", version.question, "", "", version.commit,
                    version.params, cycle.worth, data_md5=version.data_md5 or "",
                )  # fmt: skip
                started = time.time_ns() // 1_000_000 - 1_000
                wall, cpu = time.monotonic(), sum(os.times()[:2])
                write_pages(workspace, store, order, files, cycle)
                wall, cpu = time.monotonic() - wall, sum(os.times()[:2]) - cpu
                shown = len(
                    store.client.search_traces(
                        locations=[experiment_id(store, task)],
                        filter_string=f"timestamp_ms > {started}",
                        max_results=5000,
                        include_spans=False,
                    )
                )
                trained = read_record(files.training, Training).seconds
                rows = judged_rows(files, version.params["gate"]["metric"])
                flips = sum(bool(row.flip) for row in rows)
                print(
                    f"{task} version {version.version}: {len(rows)} gate rows, {flips} flips, "
                    f"{shown} answers shown: "
                    f"{wall:.1f} s ({cpu:.1f} s of CPU), {wall / trained:.1%} of a training of "
                    f"{trained:.0f} s; load {os.getloadavg()[0]:.0f}"
                )


if __name__ == "__main__":
    main()
