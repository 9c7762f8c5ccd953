"""Known held-out rows are pinned: each keeps its first answer until a person accepts another.

A bad delivery that relabels dev or gate rows must not move the goalposts that it is judged by.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pawl.core.files import write_text
from pawl.core.records import Example, HeldOutRow, Profile, Relabel, write_record
from pawl.core.row_identity import row_hashes
from pawl.errors import DataError
from pawl.workspace.paths import Workspace

HELD_OUT: tuple[Literal["dev"], Literal["gate"]] = ("dev", "gate")
SHOWN = 5


def held_out_register(workspace: Workspace, task: str) -> None:
    """Leave the flow's snapshot of the held-out rows of earlier looks; without one, an empty file."""
    path = workspace.files(task).held_out_register
    if not path.exists():
        write_text(path, "")


def champion_profile(workspace: Workspace, task: str) -> None:
    """Leave the flow's snapshot of the profile of the champion's data; without one, an empty one."""
    path = workspace.files(task).champion_profile
    if not path.exists():
        write_record(path, Profile())


def relabelled(
    parts: Mapping[str, Sequence[Example]], known: Iterable[HeldOutRow]
) -> tuple[Relabel, ...]:
    """The dev and gate rows whose answer is none of those that their prompt is pinned to.

    A prompt may stand in the data several times, with answers that contradict each other: all
    that it was first held out with are its own, and one of them may go. Where a known row is gone
    and one alike came, the one is the other retyped.
    """
    known = tuple(known)
    pinned = _answers(known)
    retyped = _retyped(parts, known)
    changed: list[Relabel] = []
    for split in HELD_OUT:
        first: dict[str, str] = {}
        for row in parts[split]:
            first.setdefault(row.key, row.id)
        for key, now in _answers(parts[split]).items():
            pins = [key] if key in pinned else retyped.get(key, [])
            was = tuple(dict.fromkeys(answer for pin in pins for answer in pinned[pin]))
            if pins and not set(now) <= set(was):
                changed.append(Relabel(pins[0], first[key], split, was, now))
    return tuple(changed)


def refuse_relabelled(
    parts: Mapping[str, Sequence[Example]], known: Iterable[HeldOutRow], *, task: str
) -> None:
    """No known held-out row has another answer than its pinned one.

    Raises:
        DataError: some have; the first are named with both answers.
    """
    changed = relabelled(parts, known)
    if not changed:
        return
    more = f"\n… and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
    raise DataError(
        f"{len(changed)} held-out rows have other answers than before:\n"
        + "\n".join(map(relabel_text, changed[:SHOWN]))
        + more,
        rule="a held-out row keeps the answer that it was first given, or a delivery could move "
        "the goalposts",
        remedy="bring the old answers back; if the new ones are right: "
        f"`pawl accept {task} --reason …`",
    )


def relabel_text(change: Relabel) -> str:
    """One change in a line."""
    was, now = (" or ".join(answers) for answers in (change.was, change.now))
    return f"{change.id} ({change.split}): {was} → {now}"


def _retyped(
    parts: Mapping[str, Sequence[Example]], known: Sequence[HeldOutRow]
) -> dict[str, list[str]]:
    """For the key of a new held-out row, the keys of known rows alike that are gone."""
    rows = {row.key: row for split in HELD_OUT for row in parts[split]}
    gone: dict[str, dict[str, None]] = {}
    for row in known:
        if row.key not in rows:
            gone.setdefault(row_hashes(row)[1], {})[row.key] = None
    there = {row.key for row in known}
    new = (row for row in rows.values() if row.key not in there)
    return {row.key: list(gone.get(row_hashes(row)[1], ())) for row in new}


def _answers(rows: Iterable[Example | HeldOutRow]) -> dict[str, tuple[str, ...]]:
    """Each prompt's answers, in the order in which they stand."""
    answers: dict[str, dict[str, None]] = {}
    for row in rows:
        answers.setdefault(row.key, {})[row.completion] = None
    return {key: tuple(found) for key, found in answers.items()}
