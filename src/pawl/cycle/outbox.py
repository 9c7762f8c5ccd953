"""The outbox: judged candidates wait on disk until the tracking store has them, whole.

Every judgement goes through it. It is posted before the store is asked for anything, so that
neither a store that is down nor a crash at any moment costs an adapter or its evidence, whatever
the next cycle trains. Delivering is safe to repeat: `pawl.cycle.conclude.deliver`.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawl.core.files import digest_file, digest_json, digest_text, discard, whole_folder
from pawl.core.records import AdapterManifest, Verdict, Worth, read_record, write_record
from pawl.errors import DataError, PawlError, RegistryError, WaitingError
from pawl.workspace.paths import TaskFiles, Workspace

ORDER, FILES, BEGUN = "order.json", "files", "begun.json"
# An order that can never be delivered is set aside under this ending.
REFUSED = ".refused"


@dataclass(frozen=True)
class Order:
    """What is to be put on record of a judged candidate, beside its files.

    `op_id` names the operation, the same for the same judgement, `posted` this order alone.
    `params` are the task's section at the judgement, `notes` are added to the cycle's reasons.
    `evidence` is the sha256 of the verdict as it was posted, `data_md5` is DVC's name for the data;
    both are '' in orders of earlier versions.
    """

    task: str
    op_id: str
    posted: str
    question: str
    who: str
    why: str
    commit: str
    params: dict[str, Any]
    worth: Worth | None = None
    notes: tuple[str, ...] = ()
    evidence: str = ""
    data_md5: str = ""


@dataclass(frozen=True)
class Begun:
    """A cycle that has trained and has not ended yet."""

    question: str


def operation(question: str, verdict: Verdict, manifest: AdapterManifest) -> str:
    """The name of a judgement: question, adapter, look. Taken twice, it is the same operation."""
    look = verdict.look.question if verdict.look else ""
    return f"cycle:{digest_json([question, manifest.digest, look])}"


def post(workspace: Workspace, order: Order) -> Path:
    """Put an order with the files of `build/` into the outbox, whole; returns its folder.

    Raises:
        PawlError: the disk does not take it.
    """
    files = workspace.files(order.task)
    folder = _box(workspace, order.task) / digest_text(order.op_id)[:16]
    try:
        with whole_folder(folder) as made:
            copy = TaskFiles(made / FILES)
            for source, target in zip(_evidence(files), _evidence(copy), strict=True):
                target.parent.mkdir(parents=True, exist_ok=True)
                if source.is_dir():
                    shutil.copytree(source, target)
                elif source.is_file():
                    shutil.copyfile(source, target)
            write_record(made / ORDER, order)
    except OSError as error:
        raise PawlError(
            f"the outbox {folder} cannot be written: {error}",
            rule="a judged candidate waits on disk, whole, before it is registered",
            remedy=f"free some space (`pawl gc`), then `pawl run {order.task}`: nothing is trained "
            "again",
        ) from error
    return folder


def waiting(workspace: Workspace, task: str) -> list[Path]:
    """The folders of orders that wait, oldest first."""
    box = _box(workspace, task)
    if not box.is_dir():
        return []
    there = [path for path in box.iterdir() if (path / ORDER).is_file()]
    there = [path for path in there if not path.name.startswith(".")]
    there = [path for path in there if path.suffix != REFUSED]
    return sorted(there, key=lambda path: (path / ORDER).stat().st_mtime_ns)


def refused(workspace: Workspace, task: str) -> list[Path]:
    """The folders of orders that were set aside."""
    return sorted(_box(workspace, task).glob(f"*{REFUSED}"))


def read_order(folder: Path) -> tuple[Order, TaskFiles]:
    """An order and the files that came with it.

    Raises:
        DataError: it is no order, or its verdict is not the one that was posted.
    """
    order, files = read_record(folder / ORDER, Order), TaskFiles(folder / FILES)
    found = digest_file(files.verdict) if files.verdict.is_file() else ""
    if order.evidence and found != order.evidence:
        raise DataError(
            f"{files.verdict} is not the verdict that was posted, {order.evidence[:12]}",
            rule="what waits in the outbox is registered as it was judged",
            remedy=f"judge it again: `pawl run {order.task} --force`",
        )
    return order, files


def set_aside(folder: Path) -> None:
    """Keep an order that can never be delivered, out of the way of those that can."""
    aside = folder.with_name(folder.name + REFUSED)
    if aside.exists():
        discard(aside)
    folder.rename(aside)


def begin(workspace: Workspace, task: str, question: str) -> None:
    """Note that a cycle has trained: `pawl resume` goes on with it."""
    write_record(_box(workspace, task) / BEGUN, Begun(question))


def begun(workspace: Workspace, task: str) -> str | None:
    """The question of a cycle that trained and did not come to its end, None if there is none."""
    path = _box(workspace, task) / BEGUN
    return read_record(path, Begun).question if path.is_file() else None


def end(workspace: Workspace, task: str) -> None:
    """The cycle that was begun has come to its end, or is given up."""
    (_box(workspace, task) / BEGUN).unlink(missing_ok=True)


def waits(task: str, error: RegistryError, *, judged: bool) -> WaitingError:
    """The error to end with where the store did not take what was trained."""
    what = "judged adapter and its evidence wait in .pawl/outbox"
    if not judged:
        what = "trained adapter waits in build, not judged yet"
    return WaitingError(
        f"the {what}/{task}: {error.found}",
        rule=error.rule or "cycles and releases are recorded in MLflow, or they do not happen",
        remedy=f"once the store answers again: `pawl resume {task}`, or the next `pawl run {task}`,"
        f" goes on from there without training again. If it does not: {error.remedy}",
    )


def _box(workspace: Workspace, task: str) -> Path:
    return workspace.outbox / task


def _evidence(files: TaskFiles) -> tuple[Path, ...]:
    return (
        files.adapter,
        files.check,
        files.base,
        files.splits / "manifest.json",
        files.eval,
        files.verdict,
        files.training,
        files.held_out_register,
    )
