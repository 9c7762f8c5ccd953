"""The evidence of a judgement: what waits in the outbox is what its MLflow run gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench import TASK

from pawl.core.files import write_lines
from pawl.core.records import Choices, Point, Training, read_record, write_record
from pawl.cycle.conclude import deliver_outbox
from pawl.cycle.outbox import FILES, Order, post_order
from pawl.cycle.snapshots import snapshot_champion
from pawl.ledger.looks import reserve_look
from pawl.workspace.paths import TaskFiles

if TYPE_CHECKING:
    from workbench import Bench

TRAINING = Training(
    points=(Point(1, 2.5, 1e-3, 0.5, 100),), train_loss=0.1, dev_loss=0.45, dev_losses=(0.45,),
    seconds=18.0, tokens=100, tokens_per_second=5.6, choices=Choices(),
)  # fmt: skip


def stored(bench: Bench, run: str, folder: str = "") -> set[str]:
    """The paths of all files of an MLflow run."""
    found: set[str] = set()
    for one in bench.store.client.list_artifacts(run, folder):
        found |= stored(bench, run, one.path) if one.is_dir else {one.path}
    return found


def waiting(files: TaskFiles) -> set[str]:
    """The files of an order, by the path that each has in its run."""
    found: set[str] = set()
    for path, folder in files.evidence.items():
        parts = path.rglob("*") if path.is_dir() else [path]
        root = path if path.is_dir() else path.parent
        found |= {
            f"{folder}/{part.relative_to(root)}".lstrip("/") for part in parts if part.is_file()
        }
    return found


def test_what_the_outbox_copies_is_what_the_run_gets(bench: Bench) -> None:
    files = bench.workspace.files(TASK)
    bench.train(1)
    champion = snapshot_champion(bench.workspace, bench.store, TASK)
    bench.judge("reject", champion, reserve_look(bench.workspace, bench.store, TASK))
    write_record(files.training, TRAINING)
    write_lines(files.held_out_register, [])
    write_lines(files.review, [])
    assert all(path.exists() for path in files.evidence), "each piece of evidence is there to copy"
    order = Order(TASK, "op", "posted", "q", "Ada", "a test", "c" * 40, {"gate": {}})
    posted = TaskFiles(post_order(bench.workspace, order) / FILES)
    expected = waiting(posted)
    assert expected == waiting(files)

    ((_, cycle),) = deliver_outbox(bench.workspace, bench.store, TASK)
    assert cycle.run_id is not None
    assert expected <= stored(bench, cycle.run_id)
    assert stored(bench, cycle.run_id) - expected == {"cycle.json", "verdict.html"}


def test_a_training_is_read_back_as_it_was_written(bench: Bench) -> None:
    path = bench.workspace.files(TASK).training
    write_record(path, TRAINING)
    assert read_record(path, Training) == TRAINING
