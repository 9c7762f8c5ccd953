"""Looks: each use of a gate split is reserved in the ledger before anything is scored."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from pawl.config.schema import Task
from pawl.core.alpha_budget import (
    gate_split_id,
    unspent,
)
from pawl.core.files import write_json
from pawl.core.records import (
    Example,
    Look,
    SplitReport,
    read_record,
    read_rows,
    to_json,
)
from pawl.errors import DataError
from pawl.ledger.budget_status import BudgetStatus, task_budget_status
from pawl.ledger.elsewhere import judged_elsewhere
from pawl.ledger.entries import State
from pawl.ledger.held_out import WITHDRAWN, held_out_rows, store_new_rows, withdrawn_looks
from pawl.ledger.judgements import judged_versions
from pawl.ledger.ledger import append
from pawl.ledger.provenance import author
from pawl.ledger.state import read_state, undoubted_state
from pawl.model.adapter import read_adapter
from pawl.store.client import Store
from pawl.store.versions import versions
from pawl.workspace.fingerprints import cycle_fingerprint, evaluation_fingerprint
from pawl.workspace.paths import Workspace

ELSEWHERE = "elsewhere"


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
        candidate = read_adapter(files.adapter)
        status = task_budget_status(workspace, store, state, task, candidate=candidate)
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
            why=f"to judge adapter {candidate.digest[:12]}",
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


def refuse_without_look(workspace: Workspace, store: Store, task: str) -> None:
    """Refuse a cycle that no look could judge, before its training is paid for.

    A last look whose judgement is not registered may be this cycle's, which goes on then. So does
    one whose candidate passed in a look of these inputs, and waits to be approved.

    Raises:
        DataError: as `reserve_look` would, hours later.
    """
    section = workspace.task(task)
    split = gate_split_id(task, section.split.salt)
    state = undoubted_state(store, task)
    status = task_budget_status(workspace, store, state, task)
    if status.charge is not None:
        return
    looks = state.looks.get(split, ())
    if looks and looks[-1].details["question"] not in {one.look for one in versions(store, task)}:
        return
    passed = {
        one.question
        for one in judged_versions(store, task)
        if one.look and (one.verdict, one.against) == ("promote", state.champion)
    }
    if passed and cycle_fingerprint(workspace, task, accepted=state.accepted) in passed:
        return
    raise _blocked(split, status, section)


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
