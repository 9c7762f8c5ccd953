"""Goalposts: the gate rows that judged before judge on, whatever a delivery changes (ADR 38).

A delivery may neither relabel them (`pawl.data.split.held_out_answers`) nor drop them: rows that it
no longer holds come back from the register. Rows that only rejected candidates were judged on are
no goalposts yet: a damaged delivery may have brought them. Where a later one answers some of them
otherwise, all of these leave the judgement, so that nobody picks the rows that he lost.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pawl.core.records import Example, HeldOutRow
from pawl.core.row_identity import row_hashes
from pawl.data.split.held_out_answers import find_relabels, refuse_relabels

Parts = Mapping[str, Sequence[Example]]


@dataclass(frozen=True)
class Goalposts:
    """The gate rows that judge, with those that the delivery lacks; the latter are `returned` too.

    `withdrawn` are the looks at this gate split whose rows left the judgement, now or before;
    `left_out` counts the delivery's gate rows that do not judge, by cause.
    """

    gate: list[Example]
    returned: list[Example]
    withdrawn: tuple[int, ...]
    left_out: dict[str, int]


def goalposts(
    parts: Parts,
    registered: Sequence[HeldOutRow],
    *,
    gate_split_id: str,
    group_by: str | None,
    task: str,
) -> Goalposts:
    """The gate rows that judge a candidate, of a delivery and the register.

    Args:
        parts: the delivery's rows by split.
        registered: the held-out register, of every gate split of the task.
        gate_split_id: the id of the present gate split.
        group_by: the field that names a row's group.

    Raises:
        DataError: a goalpost has another answer than its first.
    """
    withdrawn = _withdrawn(parts, registered, gate_split_id, task)
    here = [row for row in registered if row.lineage == gate_split_id and row.split == "gate"]
    out = {
        "withdrawn": [row for row in here if row.look in withdrawn],
        "removed": [row for row in registered if row.standing == "removed"],
    }
    gate, left_out = list(parts["gate"]), {}
    for cause, rows in out.items():
        hashes = _hashes(rows)
        judging = [row for row in gate if hashes.isdisjoint(row_hashes(row))]
        if len(judging) < len(gate):
            left_out[cause] = len(gate) - len(judging)
        gate = judging
    missing = missing_goalposts(parts, registered, gate_split_id=gate_split_id)
    coming = [row for row in missing if row.look not in withdrawn]
    taken = {row.id for part in parts.values() for row in part}
    returned = _examples(coming, group_by, taken=taken)
    return Goalposts([*gate, *returned], returned, tuple(sorted(withdrawn)), left_out)


def missing_goalposts(
    parts: Parts, registered: Sequence[HeldOutRow], *, gate_split_id: str
) -> list[HeldOutRow]:
    """The gate rows of this gate split that judge and that the delivery no longer holds."""
    present = _hashes(parts["gate"])
    return [
        row
        for row in registered
        if row.lineage == gate_split_id
        and row.split == "gate"
        and row.standing in ("", "pending")
        and present.isdisjoint(row_hashes(row))
    ]


def _withdrawn(
    parts: Parts, registered: Sequence[HeldOutRow], gate_split_id: str, task: str
) -> set[int]:
    """The looks at this gate split whose rows judge no longer; refuses relabels of goalposts."""
    here = [row for row in registered if row.lineage == gate_split_id]
    # Before any release all rows are pending: none would be left to judge.
    vouched = any(row.split == "gate" and row.standing == "" for row in here)
    pending = {row.key for row in here if vouched and row.standing == "pending"}
    # A prompt may be pending here and a goalpost of another split, or of another gate split.
    pending -= {
        row.key
        for row in registered
        if row.standing == "" or (row.standing == "pending" and row.lineage != gate_split_id)
    }
    pinned = [row for row in registered if row.standing in ("", "pending")]
    refuse_relabels(parts, [row for row in pinned if row.key not in pending], task=task)
    withdrawn = {row.look for row in here if row.standing == "withdrawn"}
    if find_relabels(parts, [row for row in pinned if row.key in pending]):
        withdrawn |= {row.look for row in here if row.standing == "pending"}
    return withdrawn


def _examples(
    rows: Sequence[HeldOutRow], group_by: str | None, *, taken: Collection[str]
) -> list[Example]:
    """The rows as the data had them; without a known group each is one of its own.

    One whose name is another's by now gets a longer one: rows without an `id` are named by their
    line, and lines move.
    """
    found, names = [], set(taken)
    for row in rows:
        fields = dict(row.groups)
        if group_by is not None:
            fields.setdefault(group_by, row.key)
        name = row.id if row.id not in names else f"{row.id} ({row.key})"
        names.add(name)
        found.append(Example(name, row.key, row.messages, row.completion, fields))
    return found


def _hashes(rows: Sequence[Example | HeldOutRow]) -> set[str]:
    return {found for row in rows for found in row_hashes(row)}
