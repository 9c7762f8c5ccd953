"""`pawl plan`: what is known before anything is paid for."""

from __future__ import annotations

from typing import Any

from pawl.base import find_config
from pawl.budget import Budget, lineage
from pawl.data.inputs import data_file
from pawl.data.read import read_examples
from pawl.data.split import (
    CONVERSATION,
    deal,
    refuse_missing,
    to_train_on,
    with_conversations,
)
from pawl.gate.plan import Sight, sight, unprovable
from pawl.records import to_json
from pawl.registry.known import known_rows
from pawl.registry.looks import Standing, spends, standing
from pawl.registry.snapshot import read_state
from pawl.registry.store import Store
from pawl.report.dropped import told
from pawl.train.device import named
from pawl.train.plan import plan as plan_training
from pawl.train.plan import size
from pawl.workspace import Workspace


def plan(
    workspace: Workspace, store: Store, task: str, *, device: str | None = None
) -> dict[str, Any]:
    """Rows a split, parameters, looks left, the gain that the gate can see with these rows; memory,
    choices and time of the training on the device as it is named (None: this machine's).

    Raises:
        UsageError: no device is named so.
    """
    trained_on = named(device)
    section = workspace.checked_task(task)
    examples = read_examples(data_file(workspace, section), section.data)
    refuse_missing(examples, section.split)
    group_by = section.split.group_by
    if group_by is None:
        examples, chats = with_conversations(examples)
        group_by = CONVERSATION if chats else None
    known = known_rows(store, task)
    parts = deal(examples, section.split)
    parts["train"], dropped = to_train_on(parts, known, near=section.split.near)
    sides = {name: len(part) for name, part in parts.items()}
    folder = find_config(section.base, workspace.root)
    parameters = size(folder, rank=section.train.rank)
    training = plan_training(
        folder,
        (parts["train"], parts["dev"]),
        section.train,
        trained_on,
        train_hour=section.cost.train_hour if section.cost else None,
    )
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
        "training": to_json(training),
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
