"""The outbox: judged candidates wait on disk until the tracking store has them, whole.

Every judgement goes through it. It is posted before the first request to the store, so that neither
a store that is down nor a crash at any moment loses an adapter or its evidence, whatever the next
cycle trains. Delivery is idempotent (`pawl.cycle.conclude`).
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawl.core.files import digest_file, digest_text, discard, whole_folder
from pawl.core.records import Worth, read_record, write_record
from pawl.errors import DataError, PawlError, RegistryError, WaitingError
from pawl.workspace.paths import TaskFiles, Workspace

ORDER, FILES, BEGUN = "order.json", "files", "begun.json"
# An order that can never be delivered is set aside under this ending.
REFUSED = ".refused"
# One that is registered, and whose pages in MLflow are yet to be written.
PAGES = ".pages"


@dataclass(frozen=True)
class Order:
    """An order to register a judged candidate; its files lie beside it.

    `op_id` names the operation, the same for the same judgement, `posted` this order alone.
    `question` is the cycle's fingerprint. `params` are the task's section at the judgement, `notes`
    are added to the cycle's reasons. `evidence` is the sha256 of the verdict as it was posted,
    `data_md5` is DVC's md5 of the data; both are '' in orders of earlier versions.
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
    """A cycle that has trained and has not ended yet; `question` is its fingerprint."""

    question: str


def post_order(workspace: Workspace, order: Order) -> Path:
    """Write an order and the files of `build/` to the outbox, or raise `PawlError`; its folder."""
    files = workspace.files(order.task)
    folder = _folder(workspace, order.task, order.op_id)
    try:
        with whole_folder(folder) as temp:
            copy = TaskFiles(temp / FILES)
            for source, target in zip(files.evidence, copy.evidence, strict=True):
                target.parent.mkdir(parents=True, exist_ok=True)
                if source.is_dir():
                    shutil.copytree(source, target)
                elif source.is_file():
                    shutil.copyfile(source, target)
            write_record(temp / ORDER, order)
    except OSError as error:
        raise PawlError(
            f"the outbox {folder} cannot be written: {error}",
            rule="a judged candidate waits on disk, whole, before it is registered",
            remedy=f"free some space (`pawl gc`), then `pawl run {order.task}`: nothing is trained "
            "again",
        ) from error
    return folder


def waiting_order(workspace: Workspace, task: str, op_id: str) -> Order | None:
    """The order of an operation, if it waits already: an earlier attempt posted it."""
    try:
        return read_order(_folder(workspace, task, op_id))[0]
    except DataError:
        # There is none, or it is replaced by the next.
        return None


def waiting_orders(workspace: Workspace, task: str) -> list[Path]:
    """The folders of orders that wait, oldest first."""
    orders = [path.parent for path in (workspace.outbox / task).glob(f"[!.]*/{ORDER}")]
    waiting = [path for path in orders if path.suffix not in (REFUSED, PAGES)]
    return sorted(waiting, key=lambda path: (path / ORDER).stat().st_mtime_ns)


def refused_orders(workspace: Workspace, task: str) -> list[Path]:
    """The folders of orders that were set aside."""
    return sorted((workspace.outbox / task).glob(f"*{REFUSED}"))


def unwritten_pages(workspace: Workspace, task: str) -> list[Path]:
    """The folders of orders that are registered, without pages in MLflow yet."""
    return sorted((workspace.outbox / task).glob(f"*{PAGES}"))


def leave_for_pages(folder: Path) -> None:
    """Rename the folder of an order that is registered: what is left to do is its pages."""
    left = folder.with_name(folder.name + PAGES)
    if left.exists():
        discard(left)
    folder.rename(left)


def read_order(folder: Path) -> tuple[Order, TaskFiles]:
    """The order in a folder of the outbox, and its files.

    Raises:
        DataError: it is no order, or its verdict is not the one that was posted.
    """
    order, files = read_record(folder / ORDER, Order), TaskFiles(folder / FILES)
    if order.task != folder.parent.name:
        raise DataError(
            f"{folder / ORDER} is an order of '{order.task}'",
            rule="an order lies in the folder of its task",
            remedy="move it there",
        )
    digest = digest_file(files.verdict) if files.verdict.is_file() else ""
    if order.evidence and digest != order.evidence:
        raise DataError(
            f"{files.verdict} is not the verdict that was posted, {order.evidence[:12]}",
            rule="what waits in the outbox is registered as it was judged",
            remedy=f"judge it again: `pawl run {order.task} --force`",
        )
    return order, files


def set_aside(task: str, folder: Path, error: PawlError) -> PawlError:
    """Rename the folder of an order that can never be delivered, so that it blocks no other.

    Returns the error to tell: no fault of today's data, and nothing of the order is deleted.
    """
    aside = folder.with_name(folder.name + REFUSED)
    if aside.exists():
        discard(aside)
    folder.rename(aside)
    return type(error)(
        f"a judged candidate of '{task}' that waited in the outbox cannot be registered: "
        f"{error.found.replace(str(folder), str(aside))}",
        rule=error.rule or "what waits in the outbox is registered as it was judged",
        remedy=f"it is set aside, whole, as {aside} and holds nothing up: judge its candidate "
        f"again, on the data of then (`pawl run {task} --force`), or free it (`pawl gc`)",
    )


def print_refusal(error: PawlError) -> None:
    """Tell on stderr that an order was set aside."""
    sys.stderr.write(f"set aside: {error}\n")


def begin(workspace: Workspace, task: str, question: str) -> None:
    """Mark the cycle of this fingerprint as trained: `pawl resume` continues it."""
    write_record(workspace.outbox / task / BEGUN, Begun(question))


def begun(workspace: Workspace, task: str) -> str | None:
    """The fingerprint of the cycle that has trained and not ended, None if there is none."""
    path = workspace.outbox / task / BEGUN
    return read_record(path, Begun).question if path.is_file() else None


def trained_since(workspace: Workspace, task: str, moment: float) -> bool:
    """Whether a cycle has been marked as trained since a moment, in seconds since 1970."""
    path = workspace.outbox / task / BEGUN
    return path.is_file() and path.stat().st_mtime >= moment


def end(workspace: Workspace, task: str) -> None:
    """Remove the mark: the cycle has ended, or is given up."""
    (workspace.outbox / task / BEGUN).unlink(missing_ok=True)


def _folder(workspace: Workspace, task: str, op_id: str) -> Path:
    return workspace.outbox / task / digest_text(op_id)[:16]


def waiting_error(task: str, error: RegistryError, *, judged: bool) -> WaitingError:
    """The error to raise where the store is down after a training.

    `judged`: the candidate is in the outbox; otherwise it is still in `build/`.
    """
    what = "judged adapter and its evidence wait in .pawl/outbox"
    if not judged:
        what = "trained adapter waits in build, not judged yet"
    return WaitingError(
        f"the {what}/{task}: {error.found}",
        rule=error.rule or "cycles and releases are recorded in MLflow, or they do not happen",
        remedy=f"once the store answers again: `pawl resume {task}`, or the next `pawl run {task}`,"
        f" goes on from there without training again. If it does not: {error.remedy}",
    )
