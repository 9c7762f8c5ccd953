"""Looks: each use of a gate split is reserved in the ledger before anything is scored."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pawl.config.schema import Gate, Task
from pawl.core.alpha_budget import (
    AlphaBudget,
    BudgetHistory,
    LookCost,
    fresh,
    gate_split_id,
    share,
    unspent,
)
from pawl.core.files import write_json
from pawl.core.records import AdapterManifest, Example, HeldOutRow, Look, read_rows, to_json
from pawl.core.row_identity import row_hashes
from pawl.errors import DataError
from pawl.ledger.entries import Entry, State
from pawl.ledger.held_out import held_out_rows, store_new_rows
from pawl.ledger.ledger import append
from pawl.ledger.provenance import author
from pawl.ledger.state import read_state
from pawl.model.adapter import read_adapter
from pawl.store.client import Store
from pawl.workspace.fingerprints import evaluation_fingerprint
from pawl.workspace.paths import Workspace


@dataclass(frozen=True)
class BudgetStatus:
    """How a gate split's budget stands, and what its next look would cost.

    `used` of `of` looks are spent; `rows` are those that the present budget may judge on, `fresh`
    those that no look has scored, `needed` how many of these open a new budget. `charge` is the
    next look's (None: it is blocked); it is paid by the task's `nth` budget and is look `number`
    of it. Where it is blocked, both are those of the budget that fresh rows would open.
    """

    used: int
    of: int
    rows: int
    fresh: int
    needed: int
    nth: int
    number: int
    charge: LookCost | None


def reserve_look(workspace: Workspace, store: Store, task: str) -> Look:
    """Reserve a look at the gate split for the adapter in `build/` and leave it in `look.json`.

    The same question (candidate, champion, rows, policy, base) has been paid for already: it gets
    the look that it got before. The lineage is the task and its split salt.

    Raises:
        DataError: too few gate rows are there to judge on, or the split's looks are used up (or its
            salt is new) and too few fresh rows are there to open a budget.
        AdapterError: the candidate's bytes are not what its manifest says.
        RegistryError: the store cannot be reached, or what it kept was altered.
    """
    section, files = workspace.task(task), workspace.files(task)
    split = gate_split_id(task, section.split.salt)
    state = read_state(store, task)
    question = evaluation_fingerprint(workspace, task, state.champion)
    look = _find(state, split, question)
    if look is None:
        stands = task_budget_status(workspace, store, state, task)
        charge = stands.charge
        if charge is None:
            raise _blocked(split, stands, section)
        append(
            store,
            task,
            op_id=f"look:{uuid.uuid4().hex}",
            kind="look",
            expected=state.champion,
            new=None,
            who=author(workspace),
            why=f"to judge adapter {read_adapter(files.adapter).digest[:12]}",
            details={
                "lineage": split,
                "question": question,
                "of": section.gate.looks,
                **dataclasses.asdict(charge),
                **store_new_rows(store, task, split, _held_out_splits(workspace, task)),
            },
        )
        # Somebody else may have taken the last one, or asked the same, in between: fold again.
        look = _find(read_state(store, task), split, question)
        if look is None:
            raise _blocked(split, stands, section)
    write_json(files.look, {"look": to_json(look)})
    return look


def task_budget_status(workspace: Workspace, store: Store, state: State, task: str) -> BudgetStatus:
    """How the task's budget stands with the gate rows in `build/`; no rows where none are there."""
    section, files = workspace.task(task), workspace.files(task)
    path = files.splits / "gate.jsonl"
    folders = (files.adapter, files.champion / "adapter")
    contenders = [read_adapter(folder) for folder in folders if folder.is_dir()]
    gate = unseen_rows(read_rows(path), contenders) if path.is_file() else []
    split = gate_split_id(task, section.split.salt)
    budget, known = state.budgets.get(split, AlphaBudget()), held_out_rows(store, task)
    return budget_status(budget, state.life, section.gate, gate, known, split=split)


def budget_status(
    budget: AlphaBudget,
    life: BudgetHistory,
    policy: Gate,
    gate: Sequence[Example],
    known: Sequence[HeldOutRow],
    *,
    split: str,
) -> BudgetStatus:
    """How the budget of the lineage `split` stands with these gate rows. Pure."""
    rows = len(unspent(gate, known, lineage=split, since=budget.since))
    new = len(fresh(gate, known))
    charge = budget.next(policy, life, rows=rows, fresh=new)
    goes_on = charge is not None and charge.since <= budget.looks
    return BudgetStatus(
        used=budget.used,
        of=policy.looks,
        rows=rows,
        fresh=new,
        needed=life.needed(policy),
        nth=budget.nth if goes_on else life.budgets + 1,
        number=budget.used + 1 if goes_on else 1,
        charge=charge,
    )


def unseen_rows(gate: Sequence[Example], adapters: Iterable[AdapterManifest]) -> list[Example]:
    """The gate rows that none of these adapters was trained on: the others cannot judge them."""
    seen = {key for adapter in adapters for key in adapter.trained_on}
    return [row for row in gate if seen.isdisjoint(row_hashes(row))]


def budget_text(stands: BudgetStatus, policy: Gate) -> str:
    """In words, what the budget of the next look may spend."""
    k = stands.nth
    return (
        f"the task's budget {k} may spend {share(policy.alpha, k):.3%} over its {stands.of} looks "
        f"(alpha {policy.alpha:.3g} / ({k} * {k + 1}); all budgets together: alpha)"
    )


def _find(state: State, split: str, question: str) -> Look | None:
    asked: tuple[Entry, ...] = state.looks.get(split, ())
    for number, entry in enumerate(asked, start=1):
        said = entry.details
        if said["question"] == question:
            level, since = float(said["level"]), int(said["since"])
            return Look(number, int(said["of"]), question, level=level, since=since)
    return None


def _held_out_splits(workspace: Workspace, task: str) -> dict[str, list[Example]]:
    folder = workspace.files(task).splits
    return {split: read_rows(folder / f"{split}.jsonl") for split in ("dev", "gate")}


def _blocked(split: str, stands: BudgetStatus, section: Task) -> DataError:
    if 0 < stands.used < stands.of and stands.rows < section.gate.min_rows:
        found, there, needed = "has too few rows to judge on", stands.rows, section.gate.min_rows
        says = (
            f"{there} gate rows are left that its budget may judge on, `gate.min_rows` is {needed}"
        )
    else:
        found = f"has used its {stands.used} looks" if stands.used else "has no budget yet"
        there, needed = stands.fresh, stands.needed
        says = f"{there} gate rows are fresh, {needed} open a new budget"
    missing = max(needed - there, 1)
    return DataError(
        f"the gate split '{split}' {found}; {says}",
        rule="each judged candidate spends one look, so that retraining often cannot win by luck; "
        "a budget opens on gate rows that no look has ever scored, as many as the task's largest "
        "look judged and at least `gate.min_rows`, and judges on those alone",
        remedy=f"add data: about {missing / section.split.gate:.0f} new rows bring the {missing} "
        "gate rows that are missing; a new salt or a higher `gate.looks` brings none",
    )
