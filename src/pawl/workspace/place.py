"""Where a workspace lies, so that copies of one workspace notice each other.

`.pawl/place.json` has an id and the folder. Where the folder named there is another one and has the
same id, one is a copy of the other, and both would number their next versions alike. A moved
workspace writes down its new folder. Copies on other machines are not seen here: only where their
records meet do the heads that each remembers tell that they parted.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pawl.core.files import digest_text, write_text
from pawl.core.records import read_record, write_record
from pawl.errors import PawlError
from pawl.workspace.paths import Workspace

PLACE, NOTES = "place.json", "copies"


@dataclass(frozen=True)
class Place:
    """A workspace's id, random and made once, and the folder that it was last used in."""

    id: str
    root: str


def copies_text(workspace: Workspace) -> str | None:
    """What to tell where the workspace has copies on this machine, None where it has none."""
    if not (others := note_place(workspace)):
        return None
    return (
        f"{workspace.root} and {' and '.join(map(str, others))} are copies of one workspace: what "
        "each registers from now on has the same numbers and is not the same. Go on with one; "
        f"where both are to go on, make this one its own: rm {workspace.home / PLACE}"
    )


def note_place(workspace: Workspace) -> tuple[Path, ...]:
    """Write down where the workspace lies; returns the copies of it that are on this machine.

    A workspace that may not be written to is left as it is.
    """
    here, place = workspace.root.resolve(), _read(workspace.home)
    if place is None or (place.root != str(here) and not _is_copy(Path(place.root), place, here)):
        identity = uuid.uuid4().hex if place is None else place.id
        place = Place(identity, str(here))
        with suppress(OSError):
            write_record(workspace.home / PLACE, place)
    found = dict.fromkeys(_noted(workspace, place))
    if place.root != str(here):
        original = Path(place.root)
        found[original] = None
        # So that the original notices, too; the one thing that a copy writes there.
        with suppress(OSError):
            write_text(original / ".pawl" / NOTES / digest_text(str(here))[:16], str(here))
    return tuple(found)


def _noted(workspace: Workspace, place: Place) -> Iterator[Path]:
    """The copies that have noted themselves here and are still copies."""
    for note in sorted((workspace.home / NOTES).glob("[!.]*")):
        with suppress(OSError, UnicodeDecodeError):
            other = Path(note.read_text(encoding="utf-8"))
            if _is_copy(other, place, workspace.root):
                yield other
            else:
                note.unlink(missing_ok=True)


def _is_copy(other: Path, place: Place, here: Path) -> bool:
    """Whether another folder holds a workspace of the same id: `here` seen by another name not."""
    found = _read(other / ".pawl")
    if found is None or found.id != place.id:
        return False
    return not (other / ".pawl").samefile(here / ".pawl")


def _read(home: Path) -> Place | None:
    try:
        return read_record(home / PLACE, Place)
    except (OSError, PawlError):
        return None
