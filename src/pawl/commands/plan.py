"""`pawl plan`: what a cycle would take and what its gate could detect, before it is paid for."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from pawl.commands.status import fresh_rows, looks_left
from pawl.config.schema import Task
from pawl.core.alpha_budget import AlphaBudget, gate_split_id, unspent
from pawl.core.records import AdapterManifest, Example, HeldOutRow
from pawl.data.inputs import task_rows
from pawl.data.split.split import (
    CONVERSATION,
    assign_splits,
    mark_conversations,
    refuse_missing_fields,
    remove_overlaps,
)
from pawl.evaluate.preflight import longest_prompts
from pawl.gate.power import Power, gate_power, unprovable_guards
from pawl.ledger.entries import State
from pawl.ledger.held_out import held_out_rows
from pawl.ledger.looks import BudgetStatus, budget_status, unseen_rows
from pawl.ledger.state import read_state
from pawl.model.adapter import read_adapter
from pawl.model.base import base_width, find_config, has_tokenizer
from pawl.release.local_copies import local_copy
from pawl.report.dropped import dropped_text
from pawl.report.plan import DroppedRows, Parameters, Plan, gate_text, rank_text
from pawl.store.client import Store
from pawl.train.device import Device, named
from pawl.train.plan import Size, TrainingPlan, size
from pawl.train.plan import plan as plan_training
from pawl.train.rank import ranks
from pawl.workspace.paths import Workspace
from pawl.workspace.task_inputs import read_prompt


@dataclass(frozen=True)
class SplitRows:
    """The rows as the split stage would deal them, those left out by cause, the held-out register.

    `group_by`: the field of a row that names its group, None if there is none.
    """

    parts: dict[str, list[Example]]
    dropped: dict[str, int]
    held_out: Sequence[HeldOutRow]
    group_by: str | None


@dataclass(frozen=True)
class TrainingOutline:
    """Tokens of the longest prompts, the ranks to try, and the training at the largest of them."""

    prompt_tokens: dict[str, int]
    ranks: list[int]
    size: Size
    plan: TrainingPlan


@dataclass(frozen=True)
class NextLook:
    """The gate split's budget, and the gate rows that the next look will judge on."""

    budget: BudgetStatus
    rows: list[Example]


@dataclass(frozen=True)
class GateOutlook:
    """What the gate can detect with these rows, and what it could not prove with them."""

    power: Power
    unprovable: tuple[str, ...]


def plan(workspace: Workspace, store: Store, task: str, *, device: str | None = None) -> Plan:
    """Plan a cycle whose training runs on `device` (None: this machine's).

    Raises:
        DataError, ParamsError, BaseError: data, parameters or base are not fit for a cycle, or a
            baseline's prompt does not fit in the base.
        AdapterError: the champion's bytes are not those that were judged.
        RegistryError: the store cannot be reached, or what it stored was altered.
        UsageError: there is no such device.
    """
    section = workspace.checked_task(task)
    trained_on = named(device).shared(section.train.processes)
    split = split_rows(workspace, store, task, section)
    training = outline_training(workspace, section, split, trained_on)
    look = next_look(workspace, store, task, section, split)
    gate = gate_outlook(look, section, group_by=split.group_by)
    rows = {name: len(part) for name, part in split.parts.items()}
    steps = -(-rows["train"] // section.train.batch_size) * section.train.epochs
    fresh = fresh_rows(look.budget)
    return Plan(
        task=task,
        rows=rows,
        dropped=DroppedRows(
            copy=split.dropped["copy"],
            near_copy=split.dropped["near_copy"],
            known_gate_row=split.dropped["known_gate_row"],
            dev_copy=split.dropped["dev_copy"],
            says=dropped_text(rows["train"], split.dropped),
        ),
        parameters=Parameters(
            training.size.trainable,
            training.size.base,
            share=training.size.trainable / training.size.base,
        ),
        rank=rank_text(training.ranks),
        steps=round(steps),
        prompt_tokens=training.prompt_tokens,
        training=training.plan,
        looks=looks_left(look.budget, section.gate),
        fresh_rows=fresh,
        gate=gate.power,
        says=gate_text(
            gate.power, section.gate.metric, blocked=None if look.budget.charge else fresh
        ),
        unprovable=gate.unprovable,
    )


def split_rows(workspace: Workspace, store: Store, task: str, section: Task) -> SplitRows:
    """Deal the task's present rows as the split stage would."""
    rows: Sequence[Example] = task_rows(workspace, section).examples
    refuse_missing_fields(rows, section.split)
    group_by = section.split.group_by
    if group_by is None:
        rows, has_conversations = mark_conversations(rows)
        group_by = CONVERSATION if has_conversations else None
    held_out = held_out_rows(store, task)
    parts, dropped = remove_overlaps(
        assign_splits(rows, section.split), held_out, near=section.split.near
    )
    return SplitRows(parts, dropped, held_out, group_by)


def outline_training(
    workspace: Workspace, section: Task, split: SplitRows, device: Device
) -> TrainingOutline:
    """Plan the training on a device; its prompts are measured if the base's tokenizer is here."""
    base, train = find_config(section.base, workspace.root), section.train
    prompt_tokens: dict[str, int] = {}
    if has_tokenizer(base):
        prompt_tokens = longest_prompts(
            split.parts["train"],
            split.parts["dev"],
            split.parts["gate"],
            instruction=read_prompt(workspace, section),
            policy=section.evaluate,
            base=base,
        )
    to_try = ranks(base_width(base)) if train.rank == "auto" else [train.rank]
    largest = dataclasses.replace(train, rank=to_try[-1])
    return TrainingOutline(
        prompt_tokens,
        to_try,
        size(base, rank=to_try[-1], targets=train.targets),
        plan_training(
            base,
            (split.parts["train"], split.parts["dev"]),
            largest,
            device,
            train_hour=section.cost.train_hour if section.cost else None,
        ),
    )


def next_look(
    workspace: Workspace, store: Store, task: str, section: Task, split: SplitRows
) -> NextLook:
    """The budget of the gate split; once it is spent, a look judges on the fresh rows alone."""
    split_id = gate_split_id(task, section.split.salt)
    state = read_state(store, task)
    budget = state.budgets.get(split_id, AlphaBudget())
    gate = unseen_rows(split.parts["gate"], _champion(workspace, store, task, state))
    held_out = split.held_out
    status = budget_status(budget, state.life, section.gate, gate, held_out, split=split_id)
    since = status.charge.since if status.charge else budget.looks + 1
    return NextLook(status, unspent(gate, held_out, split_id=split_id, since=since))


def gate_outlook(look: NextLook, section: Task, *, group_by: str | None) -> GateOutlook:
    """What the next look can detect."""
    groups = [row.fields.get(group_by or "") for row in look.rows]
    slices = [row.fields.get(section.split.slice_by or "") for row in look.rows]
    return GateOutlook(
        gate_power(groups, section.gate, number=look.budget.number, nth=look.budget.nth),
        unprovable_guards(groups, slices, section.gate),
    )


def _champion(
    workspace: Workspace, store: Store, task: str, state: State
) -> tuple[AdapterManifest, ...]:
    """The champion's manifest; empty where there is no champion."""
    if state.champion.version is None:
        return ()
    return (read_adapter(local_copy(workspace, store, state.champion, task=task)),)
