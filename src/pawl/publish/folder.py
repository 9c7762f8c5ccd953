"""The target `folder`: versions and a name in a folder, for servers that read it by themselves."""

from __future__ import annotations

from pathlib import Path

from pawl.config.targets import FolderTarget
from pawl.core.records.publish import Served
from pawl.publish.current import Current
from pawl.publish.place import hold, name_champion, named, place_of, pointer, problem


def publish_folder(current: Current, target: FolderTarget) -> list[Served]:
    """Have the champion in the folder, verified there; then let the name mean it.

    Raises:
        UsageError: the folder cannot be used.
        AdapterError, RegistryError: as `hold`.
    """
    place = place_of(current.workspace, target.path)
    _, new = hold(current, current.champion, place)
    name_champion(current, place)
    return [named_in(current, place, target.label, new=new)]


def served_folder(current: Current, target: FolderTarget) -> list[Served]:
    """What the folder names, and whether that holds."""
    return [named_in(current, place_of(current.workspace, target.path), target.label)]


def named_in(current: Current, place: Path, label: str, *, new: bool = False) -> Served:
    """What a folder's `TASK.json` names, and whether that is the champion, whole."""
    found = named(place, current.task)
    if found is None:
        return Served(label, None, False, f"{place / current.task}.json names no version")
    if found != pointer(current):
        if found.served != current.name:
            told = f"names {found.served}; {current.name} is champion"
        else:
            told = f"names {found.served}, by another release than the last"
        return Served(label, found.served, False, told)
    if (wrong := problem(current, current.champion, place)) is not None:
        return Served(label, found.served, False, wrong)
    made = "written and verified there" if new else "verified there"
    return Served(label, found.served, True, f"bytes and signature {made}")
