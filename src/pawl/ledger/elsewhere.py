"""Rows that another task of the store was judged on: the same data under another name."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pawl.core.records import Example
from pawl.core.row_identity import row_hashes
from pawl.errors import RegistryError
from pawl.ledger.carried import origin
from pawl.ledger.held_out import held_out_rows
from pawl.ledger.ledger import counting_entries, model
from pawl.store.client import Store
from pawl.store.registry import model_names

LOG = logging.getLogger(__name__)


def judged_elsewhere(store: Store, task: str, rows: Sequence[Example]) -> dict[str, int]:
    """How many of the rows each other task of the store has held out; those with none are left out.

    A task that this one goes on from is none of them. Reads the register of every task; one that
    cannot be read is told and left out, as it is another task's.
    """
    asked = [set(row_hashes(row)) for row in rows]
    carried = set(ancestors(store, task))
    found = {}
    for name in model_names(store):
        other = name.removesuffix(model(""))
        if other in (name, task, *carried):  # `name` itself is a model of adapters
            continue
        try:
            register = held_out_rows(store, other)
        except RegistryError as error:
            LOG.warning(
                "whether '%s' was judged on these rows is not known: %s", other, error.found
            )
            continue
        known = {row_hash for row in register for row_hash in row_hashes(row)}
        if count := sum(not known.isdisjoint(hashes) for hashes in asked):
            found[other] = count
    return found


def ancestors(store: Store, task: str) -> list[str]:
    """The tasks that a task goes on from, the nearest first."""
    begun = origin(counting_entries(store, task))
    return [begun.task, *ancestors(store, begun.task)] if begun else []
