"""Deliveries: replace a task's data file, atomically, by new rows or those of an earlier version.

DVC's cache holds the old file before. A call that was killed is completed by repeating it.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from pawl.config.schema import Task
from pawl.core.files import digest_file, digest_md5, whole_file
from pawl.core.records.commands import Source
from pawl.data.read.examples import Rows, read_examples
from pawl.data.read.formats import data_format
from pawl.data.versions import dvc_versions
from pawl.data.versions.dvc_versions import Version
from pawl.data.versions.fetch import RowsHere, is_address, rows_here
from pawl.errors import UsageError
from pawl.workspace.lock import workspace_lock
from pawl.workspace.paths import Workspace
from pawl.workspace.pointers import write_source


@dataclass(frozen=True)
class Delivery:
    """The task's data file after a delivery. `before` is the md5 that DVC tracked until then.

    `rows` counts the readable rows and `bad` the others; `commit` is None if nothing was committed,
    `source` if the rows are those of a file.
    """

    task: str
    data: str
    md5: str
    sha256: str
    rows: int
    bad: int
    before: str | None
    commit: str | None
    source: Source | None = None


def add(
    workspace: Workspace, task: str, named: str | Path, *, message: str | None = None
) -> Delivery:
    """Make the rows of a file the task's data, tracked by DVC; commit only with a `message`.

    The file may be the task's own data, edited in place, a folder of `datasets`, or an address.

    Raises:
        DataError: its rows cannot be fetched or read.
        UsageError: it is not there, has another format than the task's data, or would replace rows
            that could not be restored.
    """
    if not is_address(named):
        folder = Path(named).resolve()
        if folder.is_dir() and workspace.inside(workspace.task(task).data).is_relative_to(folder):
            raise UsageError(
                f"{named} is no file, and holds the rows that are there",
                rule="a delivery is a file, or a folder as `datasets` saves one",
                remedy="name a file with rows",
            )
    with rows_here(workspace, named) as here:
        return _add(workspace, task, here, message=message)


def _add(workspace: Workspace, task: str, here: RowsHere, *, message: str | None) -> Delivery:
    section, source = workspace.task(task), here.file
    target = workspace.inside(section.data)
    _refuse_format(section, source.name)
    with workspace_lock(workspace):
        if target.exists() and source.samefile(target):
            read = read_examples(target, str(source), check=section.check)
        else:
            dvc_versions.refuse_loss(workspace, section.data, coming=digest_md5(source))
            with whole_file(target) as copy:
                shutil.copyfile(source, copy)
                # The copy, not the source, which may change meanwhile.
                read = read_examples(copy, str(source), check=section.check)
        return _track(workspace, task, read, message, here.source)


def restore(
    workspace: Workspace, task: str, version: Version, *, message: str | None = None
) -> Delivery:
    """Make an earlier version's rows the task's data again, from DVC's cache or remote.

    Raises:
        DataError: its bytes are missing or damaged, or its rows cannot be read.
        UsageError: it would replace rows that could not be restored.
    """
    section = workspace.task(task)
    target = workspace.inside(section.data)
    with workspace_lock(workspace):
        cached = dvc_versions.verified_file(workspace, version)
        read = read_examples(cached, section.data, check=section.check)
        dvc_versions.refuse_loss(workspace, section.data, coming=version.md5)
        if not target.exists() or digest_md5(target) != version.md5:
            with whole_file(target) as copy:
                shutil.copyfile(cached, copy)
                dvc_versions.refuse_other_bytes(copy, version)
        return _track(workspace, task, read, message)


def _track(
    workspace: Workspace, task: str, read: Rows, message: str | None, source: Source | None = None
) -> Delivery:
    data = workspace.task(task).data
    before = dvc_versions.tracked_md5(workspace, data)
    files = dvc_versions.track(workspace, data)
    path = workspace.inside(data)
    if source:
        write_source(path, source)
    return Delivery(
        task=task,
        data=data,
        md5=digest_md5(path),
        sha256=digest_file(path),
        rows=len(read.examples),
        bad=read.bad,
        before=before,
        commit=None if message is None else dvc_versions.commit(workspace, files, message),
        source=source,
    )


def _refuse_format(section: Task, name: str) -> None:
    wanted, actual = data_format(section.data), data_format(name)
    if wanted != actual:
        raise UsageError(
            f"{name} is {actual}, the task's data is {section.data}",
            rule="a task has one data format, given by the name of its data file",
            remedy=f"convert it to {wanted}, or rename the task's `data` in params.yaml first",
        )
