"""`pawl plan`: what is known before anything is paid for."""

from __future__ import annotations

from typing import Any

from pawl.base import find_base
from pawl.data.inputs import data_file
from pawl.data.read import read_examples
from pawl.data.split import deal, refuse_missing
from pawl.gate.plan import sight
from pawl.records import to_json
from pawl.registry.looks import lineage, used_looks
from pawl.registry.snapshot import read_state
from pawl.registry.store import Store
from pawl.train.plan import size
from pawl.workspace import Workspace


def plan(workspace: Workspace, store: Store, task: str) -> dict[str, Any]:
    """Rows a split, parameters, looks left, and the gain that the gate can see with these rows."""
    section = workspace.task(task)
    examples = read_examples(data_file(workspace, section), section.data)
    refuse_missing(examples, section.split)
    sides = {name: len(part) for name, part in deal(examples, section.split).items()}
    parameters = size(find_base(section.base, workspace.root), rank=section.train.rank)
    seen = sight(sides["gate"], section.gate)
    steps = -(-sides["train"] // section.train.batch_size) * section.train.epochs
    used = used_looks(read_state(store, task), lineage(task, section.split.salt))
    return {
        "task": task,
        "rows": sides,
        "parameters": {
            **to_json(parameters),
            "share": parameters.trainable / parameters.base,
        },
        "steps": round(steps),
        "looks": {"used": used, "of": section.gate.looks},
        "gate": to_json(seen),
        "says": _says(seen.smallest_gain, seen.rows),
    }


def _says(gain: float | None, rows: int) -> str:
    if gain is None:
        return f"with {rows} gate rows this gate sees no gain at all: add rows or allow fewer looks"
    return (
        f"with {rows} gate rows this gate sees a gain of {gain:.1%} or more four times in five; "
        "of smaller ones it will mostly say 'inconclusive'"
    )
