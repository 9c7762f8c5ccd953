"""`pawl plan`: what a cycle would take and what its gate could detect, before it is paid for."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from pawl.commands.status import fresh_rows, looks_left
from pawl.config.schema import Task
from pawl.core.alpha_budget import AlphaBudget, gate_split_id, unspent
from pawl.core.records import AdapterManifest, BaseInfo, Example, HeldOutRow
from pawl.data.inputs import task_rows
from pawl.data.split.split import Dealt, deal, refuse_missing_fields
from pawl.errors import BaseError
from pawl.evaluate.baselines import Prompts
from pawl.evaluate.judged_rows import not_learned
from pawl.evaluate.moved_champion import planned_move
from pawl.evaluate.preflight import longest_prompts, planned_judging, prompt_notes
from pawl.evaluate.telling import cannot_tell
from pawl.gate.power import gate_power, unprovable_guards
from pawl.ledger.budget_status import BudgetStatus, budget_status, withdrawals
from pawl.ledger.held_out import held_out_rows
from pawl.ledger.state import read_state
from pawl.model.adapter import read_adapter
from pawl.model.base import base_info, base_width, find_config, has_tokenizer
from pawl.release.local_copies import local_copy
from pawl.report.dropped import dealt_text
from pawl.report.plan import (
    BaseMove,
    DroppedRows,
    Parameters,
    Plan,
    gate_text,
    rank_text,
    screen_text,
    serving_text,
)
from pawl.store.client import Store
from pawl.train.ancestor import misfit
from pawl.train.device import Device, named
from pawl.train.plan import plan as plan_training
from pawl.train.plan import size
from pawl.train.rank import ranks
from pawl.workspace.paths import Workspace
from pawl.workspace.task_inputs import read_prompt, read_prompts, read_schema


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
    held_out = held_out_rows(store, task)
    split = _dealt(workspace, section, task, held_out)
    base, train = find_config(section.base, workspace.root), section.train
    prompt_tokens = _prompt_tokens(workspace, section, split, base)
    prompts = prompt_notes(base, section.base) if has_tokenizer(base) else ()
    to_try = ranks(base_width(base)) if train.rank == "auto" else [train.rank]
    largest = size(base, rank=to_try[-1], targets=train.targets)
    training = plan_training(
        base,
        (split.parts["train"], split.parts["dev"]),
        dataclasses.replace(train, rank=to_try[-1]),
        trained_on,
        train_hour=section.cost.train_hour if section.cost else None,
        base=section.base,
    )
    everything = (split.parts["train"], split.parts["dev"], split.parts["gate"])
    asked = _prompts(workspace, section)
    held = planned_judging(section, everything, asked, workspace.root, named(device))
    champion = _champion(workspace, store, task)
    start = _start(workspace, section, champion)
    notes = filter(None, (start, serving_text(rank=to_try[-1], dora=train.dora)))
    training = dataclasses.replace(training, says=(*training.says, *notes))
    budget, judged = _next_look(store, task, section, split, held_out, champion)
    groups = [row.fields.get(split.group_by or "") for row in judged]
    slices = [row.fields.get(section.split.slice_by or "") for row in judged]
    power = gate_power(groups, section.gate, number=budget.number, nth=budget.nth)
    rows = {name: len(part) for name, part in split.parts.items()}
    fresh = fresh_rows(budget)
    return Plan(
        task=task,
        rows=rows,
        dropped=DroppedRows(**split.dropped, says=dealt_text(rows["train"], split)),
        parameters=Parameters(largest.trainable, largest.base, largest.trainable / largest.base),
        rank=rank_text(to_try),
        steps=round(-(-rows["train"] // train.batch_size) * train.epochs),
        prompt_tokens=prompt_tokens,
        prompts=prompts,
        training=training,
        judging=held,
        moved=_moved(workspace, task, section, champion, judged, named(device)),
        looks=looks_left(budget, section.gate),
        fresh_rows=fresh,
        gate=power,
        says=gate_text(power, section.gate.metric, blocked=None if budget.charge else fresh)
        + screen_text(section.gate.screen if champion else None, rows["dev"]),
        unprovable=unprovable_guards(groups, slices, section.gate),
        cannot_tell=cannot_tell(
            section.gate.metric, split.parts["dev"], workspace.files(task).eval / "report.json"
        ),
    )


def _dealt(workspace: Workspace, section: Task, task: str, held_out: Sequence[HeldOutRow]) -> Dealt:
    """The rows as the split stage would deal them."""
    rows: Sequence[Example] = task_rows(workspace, section).examples
    refuse_missing_fields(rows, section.split)
    return deal(rows, held_out, section.split, task)


def _prompt_tokens(workspace: Workspace, section: Task, split: Dealt, base: Path) -> dict[str, int]:
    """Tokens of each baseline's longest prompt; empty if the base's tokenizer is not here."""
    if not has_tokenizer(base):
        return {}
    parts = split.parts
    return longest_prompts(
        *(parts["train"], parts["dev"], parts["gate"]),
        asked=_prompts(workspace, section),
        policy=section.evaluate,
        folder=base,
        base=section.base,
    )


def _prompts(workspace: Workspace, section: Task) -> Prompts:
    """What the baselines would be asked with."""
    own = read_prompts(workspace.root, section.evaluate)
    instruction, schema = read_prompt(workspace, section), read_schema(workspace, section)
    return Prompts(instruction, section.evaluate.shots, own, schema)


def _champion(workspace: Workspace, store: Store, task: str) -> tuple[int, AdapterManifest] | None:
    """The champion's version and manifest, if there is one."""
    champion = read_state(store, task).champion
    if champion.version is None:
        return None
    return champion.version, read_adapter(local_copy(workspace, store, champion, task=task))


def _start(
    workspace: Workspace, section: Task, champion: tuple[int, AdapterManifest] | None
) -> str:
    """What the training would begin with; empty where it can only be new weights.

    Raises:
        ParamsError: the champion's weights are to be gone on from, and cannot be.
    """
    start = section.train.start
    if start == "base":
        return ""
    if champion is None:
        return "begins with new weights: there is no champion"
    version, manifest = champion
    base = _base_here(workspace, section) or manifest.base
    if other := misfit(version, manifest, base, section.train):
        return f"begins with new weights: version {version} has {other}"
    if start == "champion":
        return f"begins with the weights of version {version}"
    return f"two trainings, from new weights and from version {version}'s: twice that time"


def _base_here(workspace: Workspace, section: Task) -> BaseInfo | None:
    try:
        return base_info(section.base, workspace.root)
    except BaseError:
        # Its weights are not here yet.
        return None


def _moved(
    workspace: Workspace,
    task: str,
    section: Task,
    champion: tuple[int, AdapterManifest] | None,
    rows: Sequence[Example],
    device: Device,
) -> BaseMove | None:
    """What a champion on another base than the task's adds to the cycle."""
    if champion is None:
        return None
    version, manifest = champion
    if (manifest.base.model, manifest.base.revision) == (section.base.model, section.base.revision):
        # Hashing a large base takes minutes: whether it is the same bytes, the preflight says.
        return None
    base = _base_here(workspace, section)
    if base is None or base.digest == manifest.base.digest:
        return None
    try:
        place, held = planned_move(workspace, task, manifest, rows, device)
    except BaseError:
        return BaseMove(version, manifest.base.model, None)
    return BaseMove(version, place.model, held)


def _next_look(
    store: Store,
    task: str,
    section: Task,
    split: Dealt,
    held_out: Sequence[HeldOutRow],
    champion: tuple[int, AdapterManifest] | None,
) -> tuple[BudgetStatus, list[Example]]:
    """The gate split's budget, and the rows of its next look: the fresh ones once it is spent."""
    split_id, state = gate_split_id(task, section.split.salt), read_state(store, task)
    budget, looks = state.budgets.get(split_id, AlphaBudget()), state.looks.get(split_id, ())
    gate = not_learned(split.parts["gate"], [champion[1]] if champion else [])
    status = budget_status(
        budget,
        state.life,
        section.gate,
        gate,
        held_out,
        split=split_id,
        withdrawals=withdrawals(looks, budget, split.withdrawn),
    )
    since = status.charge.since if status.charge else budget.looks + 1
    return status, unspent(gate, held_out, split_id=split_id, since=since)
