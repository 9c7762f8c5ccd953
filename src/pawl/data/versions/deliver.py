"""A delivery: new rows, or those of an earlier version, take the place of a task's data file.

The file is whole at every moment, the old one or the new one, and DVC's cache holds the old one
before it is replaced. A call that was killed is finished by making it again.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from pawl.config.schema import Task
from pawl.core.files import digest_file, digest_md5, whole_file
from pawl.data.read.examples import read_examples
from pawl.data.read.formats import ending
from pawl.data.versions.tracked import (
    Version,
    commit,
    content,
    refuse_loss,
    refuse_other,
    track,
    tracked,
)
from pawl.errors import UsageError
from pawl.workspace.lock import workspace_lock
from pawl.workspace.paths import Workspace


@dataclass(frozen=True)
class Delivery:
    """What lies at the task's place now. `before` is the md5 that DVC tracked until then.

    `rows` are those that can be read and `bad` the others; `commit` None: nothing was committed.
    """

    task: str
    data: str
    md5: str
    sha256: str
    rows: int
    bad: int
    before: str | None
    commit: str | None


def add(workspace: Workspace, task: str, source: Path, *, message: str | None = None) -> Delivery:
    """Make the rows of `source` the task's data, tracked by DVC; git commits with a `message` only.

    `source` may be the task's own data file, edited where it lies.

    Raises:
        DataError: its rows cannot be read.
        UsageError: it is no file, of another format than the task's, or would replace rows that
            could not be brought back.
    """
    section = workspace.task(task)
    target = workspace.inside(section.data)
    if not source.is_file():
        raise UsageError(f"{source} is no file", remedy="name a file with rows")
    _refuse_format(section, source.name)
    with workspace_lock(workspace):
        if target.exists() and source.samefile(target):
            found = read_examples(target, str(source), drop=section.check.drop_bad)
        else:
            refuse_loss(workspace, section.data, coming=digest_md5(source))
            with whole_file(target) as copy:
                shutil.copyfile(source, copy)
                # The copy, not the source: what was read is what is kept.
                found = read_examples(copy, str(source), drop=section.check.drop_bad)
        return _tracked(workspace, task, (len(found.examples), found.bad), message)


def restore(
    workspace: Workspace, task: str, version: Version, *, message: str | None = None
) -> Delivery:
    """Make an earlier version's rows the task's data again, from DVC's cache or remote.

    Raises:
        DataError: nothing has its bytes, they are damaged, or its rows cannot be read.
        UsageError: it would replace rows that could not be brought back.
    """
    section = workspace.task(task)
    target = workspace.inside(section.data)
    with workspace_lock(workspace):
        held = content(workspace, version)
        found = read_examples(held, section.data, drop=section.check.drop_bad)
        refuse_loss(workspace, section.data, coming=version.md5)
        if not target.exists() or digest_md5(target) != version.md5:
            with whole_file(target) as copy:
                shutil.copyfile(held, copy)
                refuse_other(copy, version)
        return _tracked(workspace, task, (len(found.examples), found.bad), message)


def _tracked(
    workspace: Workspace, task: str, rows: tuple[int, int], message: str | None
) -> Delivery:
    data = workspace.task(task).data
    before = tracked(workspace, data)
    files = track(workspace, data)
    path = workspace.inside(data)
    return Delivery(
        task=task,
        data=data,
        md5=digest_md5(path),
        sha256=digest_file(path),
        rows=rows[0],
        bad=rows[1],
        before=before,
        commit=None if message is None else commit(workspace, files, message),
    )


def _refuse_format(section: Task, name: str) -> None:
    wanted, found = ending(section.data), ending(name)
    if wanted != found:
        raise UsageError(
            f"{name} is {found}, the task's data is {section.data}",
            rule="a task keeps one format: the name of its data file tells it",
            remedy=f"convert it to {wanted}, or rename the task's `data` in params.yaml first",
        )
