"""Rows that another task of the store was judged on: the same data under another name."""

from __future__ import annotations

from collections.abc import Sequence

from pawl.core.records import Example
from pawl.core.row_identity import row_hashes
from pawl.ledger.carried import origin
from pawl.ledger.held_out import held_out_rows
from pawl.ledger.ledger import counting_entries, model
from pawl.store.client import Store
from pawl.store.registry import model_names


def judged_elsewhere(store: Store, task: str, rows: Sequence[Example]) -> dict[str, int]:
    """How many of the rows each other task of the store has held out; those with none are left out.

    A task that this one goes on from is none of them. Reads the register of every task.
    """
    asked = [set(row_hashes(row)) for row in rows]
    carried = set(_ancestors(store, task))
    found = {}
    for name in model_names(store):
        other = name.removesuffix(model(""))
        if other in (name, task, *carried):  # `name` itself is a model of adapters
            continue
        known = {row_hash for row in held_out_rows(store, other) for row_hash in row_hashes(row)}
        if count := sum(not known.isdisjoint(hashes) for hashes in asked):
            found[other] = count
    return found


def _ancestors(store: Store, task: str) -> list[str]:
    begun = origin(counting_entries(store, task))
    return [begun.task, *_ancestors(store, begun.task)] if begun else []
