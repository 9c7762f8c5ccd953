"""Which looks a task gets as its data grows, and on which rows: the ledger's own rules say so.

Rows with prompts are dealt by `pawl.data.split`, looks are charged by `pawl.ledger.looks` and
counted by the fold of the ledger. What comes out are turns: a charge and the numbers of the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from pawl.config.judging import Gate
from pawl.config.schema import Split
from pawl.core.alpha_budget import AlphaBudget, LookCost, gate_split_id, unspent
from pawl.core.records import Champion, Example, HeldOutRow, Message
from pawl.core.row_identity import row_hashes
from pawl.data.read.row import row_key
from pawl.data.split.split import assign_splits
from pawl.ledger.budget_status import budget_status
from pawl.ledger.entries import Entry, replay_entries

ROUNDS = 20
TASK = "bench"
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Turn:
    """One judged round: what its look costs, the rows judged on and the dev rows, by number.

    `budget` is the number among the task's budgets of the one that pays.
    """

    charge: LookCost
    budget: int
    gate: Rows
    dev: Rows


def turns(policy: Gate, arrivals: Sequence[int], salts: Sequence[str]) -> list[Turn]:
    """The looks of `ROUNDS` rounds; a round that the ledger blocks has none.

    Args:
        policy: the gate's policy.
        arrivals: gate rows that come new before each round.
        salts: the split's salt in each round.
    """
    rows: list[Example] = []
    entries: list[Entry] = []
    known: list[HeldOutRow] = []
    trained: set[str] = set()
    found = []
    for number, (new, salt) in enumerate(zip(arrivals, salts, strict=True), start=1):
        shares = Split(salt=salt, dev=0.4, gate=0.4)
        _grow(rows, shares, new)
        parts, split = assign_splits(rows, shares), gate_split_id(TASK, salt)
        # No row judges that a contender was trained on, and the champion may be of any round.
        gate = [row for row in parts["gate"] if trained.isdisjoint(row_hashes(row))]
        state = replay_entries(entries)
        budget = state.budgets.get(split, AlphaBudget())
        stands = budget_status(budget, state.life, policy, gate, known, split=split)
        charge = stands.charge
        # What was ever a gate row is left out of train (`pawl.data.split.split.remove_overlaps`).
        held = {row.key for row in known if row.split == "gate"}
        learned = (row for row in parts["train"] if row.key not in held)
        trained |= {key for row in learned for key in row_hashes(row)}
        if charge is None:
            continue
        judged = unspent(gate, known, split_id=split, since=charge.since)
        if len(judged) != charge.rows:
            raise SystemExit(f"{charge} was charged for, {len(judged)} rows are there to judge on")
        entries.append(_look(number, split, policy, charge))
        known += _first_held_out(parts, known, split, look=budget.looks + 1)
        found.append(Turn(charge, stands.nth, _numbers(judged), _numbers(parts["dev"])))
    counted = sum(map(len, replay_entries(entries).looks.values()))
    if counted != len(found):
        raise SystemExit(f"{len(found)} looks were reserved, the ledger counts {counted}")
    return found


def _grow(rows: list[Example], shares: Split, new: int) -> None:
    """Write rows until so many of them were dealt to the gate."""
    while new > 0:
        name = f"{len(rows):06}"
        asked = (Message("user", f"question {name}"),)
        row = Example(name, row_key(asked), asked, "answer")
        rows.append(row)
        new -= len(assign_splits([row], shares)["gate"])


def _look(number: int, split: str, policy: Gate, charge: LookCost) -> Entry:
    said = {"lineage": split, "question": str(number), "of": policy.looks, **asdict(charge)}
    return Entry(number, str(number), "look", Champion(), None, "", "", "", details=said)


def _first_held_out(
    parts: dict[str, list[Example]], known: list[HeldOutRow], split: str, *, look: int
) -> list[HeldOutRow]:
    """What the ledger's store remembers of a look: the rows that its lineage saw first."""
    had = {(row.split, row.key) for row in known if row.lineage == split}
    return [
        HeldOutRow(row.key, row.id, side, row.messages, row.completion, split, look)
        for side in ("dev", "gate")
        for row in parts[side]
        if (side, row.key) not in had
    ]


def _numbers(rows: Sequence[Example]) -> Rows:
    return np.array([int(row.id) for row in rows], dtype=np.int64)
