"""`pawl plan`: what is known before anything is paid for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pawl.base import find_base
from pawl.budget import Budget, lineage
from pawl.data.inputs import task_rows
from pawl.data.split import (
    CONVERSATION,
    deal,
    refuse_missing,
    to_train_on,
    with_conversations,
)
from pawl.gate.plan import Sight, sight, unprovable
from pawl.records import Example, to_json
from pawl.registry.known import known_rows
from pawl.registry.looks import Standing, spends, standing
from pawl.registry.snapshot import read_state
from pawl.registry.store import Store
from pawl.report.dropped import told
from pawl.train.plan import size
from pawl.workspace import Workspace


def plan(workspace: Workspace, store: Store, task: str) -> dict[str, Any]:
    """Rows a split, parameters, looks left, and the gain that the gate can see with these rows."""
    section = workspace.checked_task(task)
    examples: Sequence[Example] = task_rows(workspace, section).examples
    refuse_missing(examples, section.split)
    group_by = section.split.group_by
    if group_by is None:
        examples, chats = with_conversations(examples)
        group_by = CONVERSATION if chats else None
    known = known_rows(store, task)
    parts = deal(examples, section.split)
    parts["train"], dropped = to_train_on(parts, known, near=section.split.near)
    sides = {name: len(part) for name, part in parts.items()}
    parameters = size(find_base(section.base, workspace.root), rank=section.train.rank)
    split = lineage(task, section.split.salt)
    state = read_state(store, task)
    budget = state.budgets.get(split, Budget())
    stands = standing(budget, state.life, section.gate, parts["gate"], known, split=split)
    # What the next look will judge on: after a budget that is spent, the fresh rows alone.
    judged = parts["gate"][: stands.charge.rows if stands.charge else stands.fresh]
    groups = [row.fields.get(group_by or "") for row in judged]
    slices = [row.fields.get(section.split.slice_by or "") for row in judged]
    seen = sight(groups, section.gate, number=stands.number, nth=stands.nth)
    steps = -(-sides["train"] // section.train.batch_size) * section.train.epochs
    return {
        "task": task,
        "rows": sides,
        "dropped": {**dropped, "says": told(sides["train"], dropped)},
        "parameters": {
            **to_json(parameters),
            "share": parameters.trainable / parameters.base,
        },
        "steps": round(steps),
        "looks": {
            "used": stands.used,
            "of": stands.of,
            "budget": stands.nth,
            "says": spends(stands, section.gate),
        },
        "fresh_rows": {"there": stands.fresh, "needed": stands.needed},
        "gate": to_json(seen),
        "says": _says(seen, stands),
        "unprovable": unprovable(groups, slices, section.gate),
    }


def _says(seen: Sight, stands: Standing) -> str:
    if stands.charge is None:
        return (
            f"no look can be had: {stands.needed} gate rows that no look has scored open a new "
            f"budget, {stands.fresh} are there"
        )
    if seen.smallest_gain is None or seen.last_gain is None:
        return f"with {_counted(seen)} this gate sees no gain: add rows or allow fewer looks"
    last = (
        f" ({seen.last_gain:.1%} in the last look)" if seen.last_gain > seen.smallest_gain else ""
    )
    return (
        f"with {_counted(seen)} this gate sees a gain of {seen.smallest_gain:.1%} or more{last} "
        f"four times in five, if {seen.breaks:.0%} are newly lost beside; of smaller ones it will "
        "mostly say 'inconclusive'"
    )


def _counted(seen: Sight) -> str:
    grouped = f" in {seen.units} groups" if seen.units < seen.rows else ""
    return f"{seen.rows} gate rows{grouped}"
