"""`pawl plan`: what is known before anything is paid for."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from pawl.core.alpha_budget import AlphaBudget, gate_split_id, unspent
from pawl.core.metrics import bounded
from pawl.core.records import AdapterManifest, Example, to_json
from pawl.data.inputs import task_rows
from pawl.data.split.split import CONVERSATION, apart, deal, refuse_missing, with_conversations
from pawl.evaluate.preflight import longest_prompts
from pawl.gate.plan import Sight, sight, unprovable
from pawl.ledger.entries import State
from pawl.ledger.held_out import held_out_rows
from pawl.ledger.looks import BudgetStatus, budget_status, budget_text, unseen_rows
from pawl.ledger.state import read_state
from pawl.model.adapter import read_adapter
from pawl.model.base import base_width, find_config, has_tokenizer
from pawl.release.local_copies import local_copy
from pawl.report.dropped import dropped_text
from pawl.store.client import Store
from pawl.train.device import named
from pawl.train.plan import plan as plan_training
from pawl.train.plan import size
from pawl.train.rank import ranks
from pawl.workspace.paths import Workspace
from pawl.workspace.task_inputs import read_prompt


def plan(
    workspace: Workspace, store: Store, task: str, *, device: str | None = None
) -> dict[str, Any]:
    """Rows a split, parameters, looks left, the gain that the gate can see with these rows; memory,
    choices and time of the training on the device as it is named (None: this machine's).

    Raises:
        DataError, ParamsError, BaseError: data, parameters or base are not fit for a cycle, or a
            baseline's prompt does not fit in the base.
        AdapterError: the champion's bytes are not those that were judged.
        RegistryError: the store cannot be reached, or what it kept was altered.
        UsageError: no device is named so.
    """
    section = workspace.checked_task(task)
    trained_on = named(device).shared(section.train.processes)
    examples: Sequence[Example] = task_rows(workspace, section).examples
    refuse_missing(examples, section.split)
    group_by = section.split.group_by
    if group_by is None:
        examples, chats = with_conversations(examples)
        group_by = CONVERSATION if chats else None
    known = held_out_rows(store, task)
    parts, dropped = apart(deal(examples, section.split), known, near=section.split.near)
    sides = {name: len(part) for name, part in parts.items()}
    base, asked = find_config(section.base, workspace.root), section.train
    prompts: dict[str, int] = {}
    if has_tokenizer(base):
        prompts = longest_prompts(
            parts["train"],
            parts["dev"],
            parts["gate"],
            instruction=read_prompt(workspace, section),
            policy=section.evaluate,
            base=base,
        )
    tried = ranks(base_width(base)) if asked.rank == "auto" else [asked.rank]
    # The largest adapter that there may be.
    largest = dataclasses.replace(asked, rank=tried[-1])
    parameters = size(base, rank=tried[-1], targets=asked.targets)
    training = plan_training(
        base,
        (parts["train"], parts["dev"]),
        largest,
        trained_on,
        train_hour=section.cost.train_hour if section.cost else None,
    )
    split = gate_split_id(task, section.split.salt)
    state = read_state(store, task)
    budget = state.budgets.get(split, AlphaBudget())
    gate = unseen_rows(parts["gate"], _reigning(workspace, store, task, state))
    stands = budget_status(budget, state.life, section.gate, gate, known, split=split)
    # What the next look will judge on: after a budget that is spent, the fresh rows alone.
    since = stands.charge.since if stands.charge else budget.looks + 1
    judged = unspent(gate, known, lineage=split, since=since)
    groups = [row.fields.get(group_by or "") for row in judged]
    slices = [row.fields.get(section.split.slice_by or "") for row in judged]
    seen = sight(groups, section.gate, number=stands.number, nth=stands.nth)
    steps = -(-sides["train"] // section.train.batch_size) * section.train.epochs
    return {
        "task": task,
        "rows": sides,
        "dropped": {**dropped, "says": dropped_text(sides["train"], dropped)},
        "parameters": {
            **to_json(parameters),
            "share": parameters.trainable / parameters.base,
        },
        "rank": _rank(tried),
        "steps": round(steps),
        "prompt_tokens": prompts,
        "training": to_json(training),
        "looks": {
            "used": stands.used,
            "of": stands.of,
            "budget": stands.nth,
            "says": budget_text(stands, section.gate),
        },
        "fresh_rows": {"there": stands.fresh, "needed": stands.needed},
        "gate": to_json(seen),
        "says": _says(seen, stands, section.gate.metric),
        "unprovable": unprovable(groups, slices, section.gate),
    }


def _reigning(
    workspace: Workspace, store: Store, task: str, state: State
) -> tuple[AdapterManifest, ...]:
    """The champion's manifest; none where there is no champion."""
    if state.champion.version is None:
        return ()
    return (read_adapter(local_copy(workspace, store, state.champion, task=task)),)


def _rank(tried: Sequence[int]) -> str:
    if len(tried) == 1:
        return str(tried[0])
    return (
        f"auto: {', '.join(map(str, tried))}, as far as dev improves beyond noise; each is a "
        f"training of its own, two at least; parameters are those of {tried[-1]}"
    )


def _says(seen: Sight, stands: BudgetStatus, metric: str) -> str:
    if stands.charge is None:
        return (
            f"no look can be had: {stands.needed} gate rows that no look has scored open a new "
            f"budget, {stands.fresh} are there"
        )
    if not bounded(metric):
        return (
            f"with {_counted(seen)}: how small a gain of {metric} is seen depends on how its "
            "values spread, which only a run can tell"
        )
    if seen.smallest_gain is None or seen.last_gain is None:
        return f"with {_counted(seen)} this gate sees no gain: add rows or allow fewer looks"
    last = (
        f" ({seen.last_gain:.1%} in the last look)" if seen.last_gain > seen.smallest_gain else ""
    )
    together = ""
    if seen.units < seen.rows:
        together = " and the rows of a group do not stand and fall together (else less often)"
    return (
        f"with {_counted(seen)} this gate sees a gain of {seen.smallest_gain:.1%} or more{last} "
        f"four times in five, if {seen.breaks:.0%} are newly lost beside{together}; of smaller "
        "ones it will mostly say 'inconclusive'"
    )


def _counted(seen: Sight) -> str:
    grouped = f" in {seen.units} groups" if seen.units < seen.rows else ""
    return f"{seen.rows} gate rows{grouped}"
