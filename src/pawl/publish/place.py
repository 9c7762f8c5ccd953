"""A folder of versions that servers read: `TASK-vN/` each, and `TASK.json`, which names one.

A version's folder is written whole and never changed; the name moves by one rename. No link is
made: servers that load whatever they find in a folder would load it as an adapter of its own, and
a reader of two files through it could get them from two versions.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from pawl.core.files import discard, leftovers, remove, whole_folder
from pawl.core.private_places import private_place
from pawl.core.records import Champion, read_record, write_record
from pawl.core.records.publish import Pointer
from pawl.errors import DataError, PawlError, PublishError, UsageError
from pawl.model.adapter import read_adapter
from pawl.publish.current import Current
from pawl.release.signing import check_release
from pawl.workspace.paths import Workspace

READ_ONLY = 0o444


def place_of(workspace: Workspace, path: str | None) -> Path:
    """The folder that a target's `path` names; None: one below `.pawl/`.

    Raises:
        UsageError: it is the workspace or one around it, leads to keys or to state of Pawl, git or
            DVC, or is no folder.
    """
    if path is None:
        return workspace.home / "served"
    place = workspace.root / path
    private = private_place(place, workspace.root)
    around = workspace.root.resolve().is_relative_to(place.resolve())
    if private or around:
        raise UsageError(
            f"`path: {path}` of a target leads to {private or 'the workspace itself'}",
            rule="a folder that servers read holds adapters alone: no keys, no state of Pawl, git "
            "or DVC",
            remedy="name another folder, such as a share that the servers mount",
        )
    if place.exists() and not place.is_dir():
        raise UsageError(
            f"`path: {path}` of a target is no folder", remedy="name another, or move it away"
        )
    return place


def hold(current: Current, champion: Champion, place: Path) -> tuple[Path, bool]:
    """Have a released version in a place, verified there; its folder, and whether it is new.

    One that holds is left as it is, so that a rollback downloads nothing. One that was altered is
    written anew.

    Raises:
        AdapterError: what was released does not verify, here or in the place.
        RegistryError: its files cannot be fetched.
    """
    folder = place / current.name_of(champion)
    for left in leftovers(place, name=folder.name):
        remove(left)
    if problem(current, champion, place) is None:
        return folder, False
    with (
        current.releases.verified(current.task, champion, current.state) as verified,
        whole_folder(folder) as out,
    ):
        for path in sorted(verified.folder.iterdir()):
            copy = out / path.name
            shutil.copyfile(path, copy)
            copy.chmod(READ_ONLY)
    if (found := problem(current, champion, place)) is not None:
        raise PublishError(
            f"{folder} was written, and is not what was written: {found}",
            rule="what is served is what was released: bytes and signature are checked where "
            "servers read them",
            remedy="check that disk or share, then publish again",
        )
    return folder, True


def problem(current: Current, champion: Champion, place: Path) -> str | None:
    """What is wrong with a version in a place, None where it is what was released."""
    folder = place / current.name_of(champion)
    if not folder.is_dir():
        return f"{folder} is not there"
    try:
        if read_adapter(folder).digest != champion.digest:
            return f"{folder} is another adapter than the ledger's"
        check_release(
            current.workspace, current.store, current.task, champion,
            adapter=folder, state=current.state,
        )  # fmt: skip
    except PawlError as error:
        return error.found
    return None


def named(place: Path, task: str) -> Pointer | None:
    """What callers of a task are answered by, None where no name was set or it is unreadable."""
    path = place / f"{task}.json"
    try:
        return read_record(path, Pointer)
    except DataError:
        return None


def pointer(current: Current) -> Pointer:
    """The pointer to the champion."""
    previous = current.previous
    return Pointer(
        task=current.task,
        served=current.name,
        version=current.champion.version or 0,
        digest=current.champion.digest or "",
        previous=current.name_of(previous) if previous else None,
        entry=current.release.number,
    )


def refuse_others(path: Path, mark: bytes) -> None:
    """Refuse (`UsageError`) to write over a file without the mark that Pawl's own have."""
    if path.is_file() and mark not in path.read_bytes():
        raise UsageError(
            f"{path} is there, and was not written by `pawl publish`",
            rule="what others wrote is not written over",
            remedy="name another `path` for this target, or move that file away",
        )


def name_champion(current: Current, place: Path) -> None:
    """Let the task's name mean the champion, and free the folders of retired versions.

    Raises:
        UsageError: the name is a file that somebody else wrote.
    """
    path = place / f"{current.task}.json"
    if named(place, current.task) != pointer(current):
        refuse_others(path, b'"served"')
        write_record(path, pointer(current))
    for left in leftovers(place, name=path.name):
        remove(left)
    for entry in current.state.releases:
        if entry.new and current.state.retirement(entry.new):
            folder = place / current.name_of(entry.new)
            if folder.is_dir():
                discard(folder)
