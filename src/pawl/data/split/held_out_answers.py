"""Pinned answers: a registered held-out row keeps its first answer until a relabel is accepted.

A bad delivery that relabels dev or gate rows must not move the goalposts that it is judged by.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pawl.core.records import Example, HeldOutRow, Relabel
from pawl.core.row_identity import row_hashes
from pawl.errors import DataError

HELD_OUT: tuple[Literal["dev"], Literal["gate"]] = ("dev", "gate")
SHOWN = 5


def find_relabels(
    parts: Mapping[str, Sequence[Example]], registered: Iterable[HeldOutRow]
) -> tuple[Relabel, ...]:
    """Return the dev and gate rows whose answer is not among their prompt's pinned ones.

    A prompt may occur with contradicting answers: all that it was first held out with are pinned. A
    new row with the letters of a registered one that is gone counts as that row retyped.
    """
    registered = tuple(registered)
    pinned = _answers(registered)
    retyped = _retyped(parts, registered)
    relabels: list[Relabel] = []
    for split in HELD_OUT:
        first: dict[str, str] = {}
        for row in parts[split]:
            first.setdefault(row.key, row.id)
        for key, now in _answers(parts[split]).items():
            pins = [key] if key in pinned else retyped.get(key, [])
            was = tuple(dict.fromkeys(answer for pin in pins for answer in pinned[pin]))
            if pins and not set(now) <= set(was):
                relabels.append(Relabel(pins[0], first[key], split, was, now))
    return tuple(relabels)


def refuse_relabels(
    parts: Mapping[str, Sequence[Example]], registered: Iterable[HeldOutRow], *, task: str
) -> None:
    """Raise `DataError` if held-out rows have another answer than their pinned one."""
    relabels = find_relabels(parts, registered)
    if not relabels:
        return
    more = f"\n… and {len(relabels) - SHOWN} more" if len(relabels) > SHOWN else ""
    shown = "\n".join(map(relabel_text, relabels[:SHOWN]))
    raise DataError(
        f"{len(relabels)} held-out rows have other answers than before:\n{shown}{more}",
        rule="a held-out row keeps the answer that it was first given, or a delivery could move "
        "the goalposts",
        remedy="restore the old answers; if the new ones are right: "
        f"`pawl accept {task} --reason …`",
    )


def relabel_text(relabel: Relabel) -> str:
    """One relabel in a line."""
    was, now = (" or ".join(answers) for answers in (relabel.was, relabel.now))
    return f"{relabel.id} ({relabel.split}): {was} → {now}"


def _retyped(
    parts: Mapping[str, Sequence[Example]], registered: Sequence[HeldOutRow]
) -> dict[str, list[str]]:
    """Map the key of a new held-out row to those of absent registered rows with its letters."""
    rows = {row.key: row for split in HELD_OUT for row in parts[split]}
    gone: dict[str, dict[str, None]] = {}
    for row in registered:
        if row.key not in rows:
            gone.setdefault(row_hashes(row)[1], {})[row.key] = None
    old = {row.key for row in registered}
    new = (row for row in rows.values() if row.key not in old)
    return {row.key: list(gone.get(row_hashes(row)[1], ())) for row in new}


def _answers(rows: Iterable[Example | HeldOutRow]) -> dict[str, tuple[str, ...]]:
    """Map each prompt's key to its answers, in order of occurrence."""
    answers: dict[str, dict[str, None]] = {}
    for row in rows:
        answers.setdefault(row.key, {})[row.completion] = None
    return {key: tuple(found) for key, found in answers.items()}
