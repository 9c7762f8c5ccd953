"""What a gate split's budget of looks has left, and what its next look would cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pawl.config.judging import Gate
from pawl.core.alpha_budget import (
    AlphaBudget,
    BudgetHistory,
    LookCost,
    fresh,
    gate_split_id,
    share,
    unspent,
)
from pawl.core.records import (
    AdapterManifest,
    Example,
    HeldOutRow,
    SplitReport,
    read_record,
    read_rows,
)
from pawl.evaluate.judged_rows import not_learned
from pawl.ledger.entries import Entry, State
from pawl.ledger.held_out import held_out_rows, withdrawn_looks
from pawl.model.adapter import read_adapter
from pawl.store.client import Store
from pawl.workspace.paths import Workspace


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


def task_budget_status(
    workspace: Workspace,
    store: Store,
    state: State,
    task: str,
    *,
    candidate: AdapterManifest | None = None,
) -> BudgetStatus:
    """The status of the task's budget with the gate rows in `build/`, if any are there.

    Rows that the champion learned judge nobody, nor do those that the candidate, if one is given,
    learned.
    """
    section, files = workspace.task(task), workspace.files(task)
    path, champion = files.splits / "gate.jsonl", files.champion / "adapter"
    contenders = [candidate] if candidate else []
    contenders += [read_adapter(champion)] if champion.is_dir() else []
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
