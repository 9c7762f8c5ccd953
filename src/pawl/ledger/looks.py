"""Looks: each use of a gate split is reserved in the ledger before anything is scored."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
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
from pawl.core.records import (
    Example,
    HeldOutRow,
    Look,
    SplitReport,
    read_record,
    read_rows,
    to_json,
)
from pawl.errors import DataError
from pawl.evaluate.judged_rows import not_learned
from pawl.ledger.elsewhere import judged_elsewhere
from pawl.ledger.entries import Entry, State
from pawl.ledger.held_out import WITHDRAWN, held_out_rows, store_new_rows, withdrawn_looks
from pawl.ledger.ledger import append
from pawl.ledger.provenance import author
from pawl.ledger.state import read_state, undoubted_state
from pawl.model.adapter import read_adapter
from pawl.store.client import Store
from pawl.workspace.fingerprints import evaluation_fingerprint
from pawl.workspace.paths import Workspace

ELSEWHERE = "elsewhere"


@dataclass(frozen=True)
class BudgetStatus:
    """The state of a gate split's budget, and what its next look would cost.

    `used` of `of` looks are spent; `rows` are the gate rows that the present budget may judge on,
    `fresh` those that no look has scored, `needed` how many of these open a new budget. `charge` is
    the cost of the next look (None: it is blocked); it is paid by the task's `nth` budget and is
    look `number` of it. Where it is blocked, both are those of the budget that fresh rows would
    open.
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
    """Reserve a look at the gate split for the adapter in `build/` and write it to `look.json`.

    An evaluation (candidate, champion, rows, policy, base) that was paid for already gets the same
    look again. A gate split is known by the task and its split salt.

    Raises:
        DataError: too few gate rows are there to judge on, or the split's looks are used up (or its
            salt is new) and too few fresh rows are there to open a budget.
        AdapterError: the candidate's bytes are not what its manifest says.
        RegistryError: stored rows or the ledger were altered.
    """
    section, files = workspace.task(task), workspace.files(task)
    split = gate_split_id(task, section.split.salt)
    state = undoubted_state(store, task)
    fingerprint = evaluation_fingerprint(workspace, task, state.champion)
    if (look := _find_look(state, split, fingerprint)) is None:
        status = task_budget_status(workspace, store, state, task)
        if (cost := status.charge) is None:
            raise _blocked(split, status, section)
        held_out = {name: read_rows(files.splits / f"{name}.jsonl") for name in ("dev", "gate")}
        if section.gate.slices is not None:
            known = held_out_rows(store, task)
            judged = unspent(held_out["gate"], known, split_id=split, since=cost.since)
            _refuse_unsliced(judged, task, section)
        report = read_record(files.splits / "manifest.json", SplitReport)
        grouping = [name for name in (report.group_by, report.slice_by) if name]
        begun = any(state.looks.values())
        others = {} if begun else judged_elsewhere(store, task, held_out["gate"])
        gone = sorted({*report.withdrawn} - withdrawn_looks(state.looks.get(split, ())))
        append(
            store,
            task,
            kind="look",
            expected=state.champion,
            who=author(workspace),
            why=f"to judge adapter {read_adapter(files.adapter).digest[:12]}",
            details={
                "lineage": split,
                "question": fingerprint,
                "of": section.gate.looks,
                **dataclasses.asdict(cost),
                **store_new_rows(store, task, split, held_out, grouping=grouping),
                **({WITHDRAWN: gone} if gone else {}),
                **({ELSEWHERE: others} if others else {}),
            },
        )
        # Somebody else may have taken the last look, or this one, in between: replay again.
        if (look := _find_look(read_state(store, task), split, fingerprint)) is None:
            raise _blocked(split, status, section)
    write_json(files.look, {"look": to_json(look)})
    return look


def paid_look(workspace: Workspace, store: Store, task: str) -> Look | None:
    """The look that was paid for the evaluation of what is in `build/`, None if none was."""
    split = gate_split_id(task, workspace.task(task).split.salt)
    state = undoubted_state(store, task)
    return _find_look(state, split, evaluation_fingerprint(workspace, task, state.champion))


def task_budget_status(workspace: Workspace, store: Store, state: State, task: str) -> BudgetStatus:
    """The status of the task's budget with the gate rows in `build/`, if any are there."""
    section, files = workspace.task(task), workspace.files(task)
    path = files.splits / "gate.jsonl"
    folders = (files.adapter, files.champion / "adapter")
    contenders = [read_adapter(folder) for folder in folders if folder.is_dir()]
    gate = not_learned(read_rows(path), contenders) if path.is_file() else []
    split = gate_split_id(task, section.split.salt)
    budget, registered = state.budgets.get(split, AlphaBudget()), held_out_rows(store, task)
    manifest = files.splits / "manifest.json"
    now = read_record(manifest, SplitReport).withdrawn if manifest.is_file() else ()
    return budget_status(
        budget,
        state.life,
        section.gate,
        gate,
        registered,
        split=split,
        withdrawals=withdrawals(state.looks.get(split, ()), budget, now),
    )


def withdrawals(looks: Sequence[Entry], budget: AlphaBudget, now: Sequence[int]) -> int:
    """How often rows of this budget were withdrawn, the present delivery's looks (`now`) included.

    Pure. `looks` are all at the gate split.
    """
    gone = [withdrawn_looks([look]) for look in looks]
    gone.append({*now} - set().union(*gone))
    return sum(any(number >= budget.since for number in numbers) for numbers in gone)


def budget_status(
    budget: AlphaBudget,
    life: BudgetHistory,
    policy: Gate,
    gate: Sequence[Example],
    registered: Sequence[HeldOutRow],
    *,
    split: str,
    withdrawals: int = 0,
) -> BudgetStatus:
    """The status of a gate split's budget with these gate rows. Pure.

    `budget` is the split's, `life` that of all budgets of the task, `registered` the register.
    """
    rows = len(unspent(gate, registered, split_id=split, since=budget.since))
    new = len(fresh(gate, registered))
    cost = budget.next(policy, life, rows=rows, fresh=new, withdrawals=withdrawals)
    same_budget = cost is not None and cost.since <= budget.looks
    return BudgetStatus(
        used=budget.used,
        of=policy.looks,
        rows=rows,
        fresh=new,
        needed=life.needed(policy),
        nth=budget.nth if same_budget else life.budgets + 1,
        number=budget.used + 1 if same_budget else 1,
        charge=cost,
    )


def budget_text(status: BudgetStatus, policy: Gate) -> str:
    """A sentence on what the budget of the next look may spend."""
    k = status.nth
    return (
        f"the task's budget {k} may spend {share(policy.alpha, k):.3%} over its {status.of} looks "
        f"(alpha {policy.alpha:.3g} / ({k} * {k + 1}); all budgets together: alpha)"
    )


def _find_look(state: State, split: str, fingerprint: str) -> Look | None:
    every = [look for looks in state.looks.values() for look in looks]
    first = min(every, key=lambda look: look.number, default=None)
    others = first.details.get(ELSEWHERE, {}) if first else {}
    for number, entry in enumerate(state.looks.get(split, ()), start=1):
        of = entry.details
        if of["question"] == fingerprint:
            level, since = float(of["level"]), int(of["since"])
            return Look(number, int(of["of"]), fingerprint, level, since, elsewhere=others)
    return None


def _refuse_unsliced(judged: Sequence[Example], task: str, section: Task) -> None:
    """Refuse rows that came back without a slice: the evidence would be invalid, the look spent.

    The register has the slices by which rows were guarded when they were first judged.
    """
    key = section.split.slice_by
    if lacking := [row.id for row in judged if key is not None and key not in row.fields]:
        raise DataError(
            f"{len(lacking)} gate rows that the data no longer holds have no '{key}' in the "
            f"register, first {', '.join(lacking[:3])}",
            rule="the policy guards slices, so that each judged row is in one",
            remedy=f"put these rows back into the data, with their '{key}'; or let them go: "
            f"`pawl accept {task} --removed --reason …`",
        )


def _blocked(split: str, status: BudgetStatus, section: Task) -> DataError:
    if 0 < status.used < status.of and status.rows < section.gate.min_rows:
        found, there, needed = "has too few rows to judge on", status.rows, section.gate.min_rows
        left = f"{there} gate rows are left that its budget may judge on"
        count = f"{left}, `gate.min_rows` is {needed}"
    else:
        found = f"has used its {status.used} looks" if status.used else "has no budget yet"
        there, needed = status.fresh, status.needed
        count = f"{there} gate rows are fresh, {needed} open a new budget"
    missing = max(needed - there, 1)
    return DataError(
        f"the gate split '{split}' {found}; {count}",
        rule="each judged candidate spends one look, so that retraining often cannot win by luck; "
        "a budget opens on gate rows that no look has ever scored, as many as the task's largest "
        "look judged and at least `gate.min_rows`, and judges on those alone",
        remedy=f"add data: about {missing / section.split.gate:.0f} new rows bring the {missing} "
        "gate rows that are missing; a new salt or a higher `gate.looks` brings none",
    )
