"""`pawl new`: add a task to a workspace: data below `data/` and a section of `params.yaml`."""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pawl.commands.answer_kind import judged_by
from pawl.commands.continued import judged_before, split_of
from pawl.commands.row_lengths import rows_that_fit
from pawl.commands.schema_decoding import schema_decoding
from pawl.commands.sources import Sources, read_sources
from pawl.commands.task_files import copy, data_name, put_back, taken, task_files
from pawl.commands.understood import previews, template_notes
from pawl.config.add_section import with_section
from pawl.config.load import parse_params
from pawl.config.schema import TASK_NAME, Params
from pawl.core.files import write_text
from pawl.core.records import BaseRef, to_json
from pawl.core.records.commands import NewTask, Source
from pawl.data.read.examples import Rows
from pawl.data.read.formats import data_format
from pawl.data.versions.fetch import rows_here
from pawl.errors import UsageError
from pawl.ledger.carry_over import carry_over
from pawl.ledger.provenance import author
from pawl.model.base import context_length, find_base
from pawl.model.chat_template import answering_at_once
from pawl.model.tokenizer import load_tokenizer
from pawl.store.client import open_store
from pawl.train.choices import LEAST
from pawl.train.recipe import recipe
from pawl.workspace.dvc_calls import run_dvc
from pawl.workspace.paths import Workspace
from pawl.workspace.pointers import write_source

# Lengths are rounded up to this. An answer gets twice the longest reference's: a base that is only
# prompted is wordier, and one whose answers are cut off is beaten for nothing. A row gets half as
# much again, and at least what the smallest pack has, so that tomorrow's longer row fits: only the
# memory of the smallest packs grows with it.
ROUND = 32
MORE, MORE_ANSWER = 1.5, 2.0
# Solved rows in the few-shot baseline's prompt, if they fit in the base's window.
SHOTS = 4
# Shares of the held-out splits.
DEV, GATE = 0.08, 0.2
# Gate rows that a share of few rows aims at, so that chance leaves the 30 of `gate.min_rows`, and
# the largest such share.
AIM, MOST_GATE = 40, 0.4
# With so few dev rows a stricter screen holds back too many gains (bench/screening.py). It leaves a
# third of the looks unspent, so that the first ones may be the dearer ones (`spending: front`).
SCREEN = 0.3


def new_task(
    workspace: Workspace, task: str, sources: Sources, *, continues: str | None = None
) -> NewTask:
    """Add a task: its files are copied to `data/`, DVC tracks the rows.

    `continues` names a task of the workspace that it goes on from: the new one is split as that one
    is, and its looks and held-out rows count. Everything is checked before anything is written;
    after a failure nothing is left.

    Raises:
        UsageError: the name is invalid or taken, a file is missing, no base was named, or there is
            nothing to go on from.
        DataError: the rows or the schema cannot be read, or a row is longer than the base's window.
        BaseError: the base cannot be found.
    """
    # Before anything is fetched.
    _refuse_name(task, workspace.params())
    with rows_here(workspace, sources.data) as here:
        sources = dataclasses.replace(sources, data=here.file)
        made = _new_task(workspace, task, sources, fetched=here.source, continues=continues)
    return dataclasses.replace(made, understood=(*here.notes, *made.understood))


def _new_task(
    workspace: Workspace,
    task: str,
    sources: Sources,
    *,
    fetched: Source | None,
    continues: str | None,
) -> NewTask:
    params = workspace.params()
    copies, pointer = task_files(task, sources, workspace), f"{data_name(task, sources)}.dvc"
    read, turns = read_sources(sources)
    base = _base(sources.base, params, workspace)
    split = None if continues is None else split_of(continues, params)
    new = _new(task, sources, base, read, workspace, turns=turns, split=split)
    if continues is None:
        known = judged_before(workspace, task, read.examples)
        new = dataclasses.replace(new, understood=(*new.understood, *known))
    _with_task(workspace, new)
    ignored = workspace.root / "data" / ".gitignore"
    before = ignored.read_bytes() if ignored.is_file() else None
    made: list[Path] = []
    try:
        for target, source in copies.items():
            copy(source, target, made)
        made.append(workspace.root / pointer)
        remedy = "see the message; `pawl doctor` checks the workspace"
        add = ("add", "--quiet", new.section["data"])
        run_dvc(workspace, *add, rule="DVC tracks a task's rows", remedy=remedy)
        if fetched:
            write_source(workspace.inside(new.section["data"]), fetched)
        # Read again: the file may have been edited while DVC worked.
        text = _with_task(workspace, new)
        if continues is not None:
            carry_over(open_store(workspace), task, continues, who=author(workspace))
        write_text(workspace.params_file, text)
    except BaseException:
        for target in made:
            target.unlink(missing_ok=True)
        put_back(ignored, before)
        raise
    return new


def _with_task(workspace: Workspace, new: NewTask) -> str:
    """The text of params.yaml with the section, checked; raises if it has the task by now."""
    if new.task in workspace.params().tasks:
        raise taken(f"the task '{new.task}'")
    text = workspace.params_file.read_text(encoding="utf-8")
    text = with_section(text, new.task, new.section, {"train": f"{new.recipe} (docs: recipes)"})
    parse_params(text, workspace.params_file.name)
    return text


def _new(
    task: str,
    sources: Sources,
    base: BaseRef,
    read: Rows,
    workspace: Workspace,
    *,
    turns: str,
    split: dict[str, Any] | None,
) -> NewTask:
    """The task, with lengths that fit the rows, a recipe, and the keys changed most often."""
    folder = find_base(base, workspace.root)
    base = answering_at_once(base, folder)
    tokenizer, window = load_tokenizer(folder, base), context_length(folder)
    fits = rows_that_fit(read.examples, tokenizer, window=window, leave_out=sources.drop_long)
    longest, room = max(fits.rows), window - max(map(operator.sub, fits.rows, fits.answers))
    # The longest prompt must fit beside it, and the longest reference in it.
    answer = max(max(fits.answers), min(_rounded(max(fits.answers), MORE_ANSWER), room))
    # The window must hold that many solved rows as long as the longest, one more, and its answer.
    shots = max(0, min(SHOTS, (window - answer) // longest - 1))
    section: dict[str, Any] = {"data": data_name(task, sources)}
    if sources.schema:
        section["schema"] = f"data/{task}.schema.json"
    if sources.prompt:
        section["prompt"] = f"data/{task}.prompt.md"
    gate, why_gate = judged_by(fits.examples)
    holding, why_held = schema_decoding(sources.schema, fits.examples, tokenizer)
    why_split: tuple[str, ...] = ()
    if split is None:
        share, why_split = _gate_share(len(fits.examples))
        split = {"salt": f"{task}-1", "dev": DEV, "gate": share}
    chosen = recipe(folder, rows=round(len(fits.examples) * (1 - split["dev"] - split["gate"])))
    length = min(max(LEAST, _rounded(longest, MORE)), window)
    section |= {
        "base": to_json(base),
        "check": {"min_rows": max(10, min(100, len(fits.examples))), **sources.check(turns)},
        "split": split,
        "train": {**chosen.train, "max_length": length},
        "evaluate": {"shots": shots, "max_new_tokens": answer, **holding},
        "gate": {
            "metric": gate["metric"],
            "alpha": 0.05,
            "looks": 20,
            "spending": "front",
            "screen": SCREEN,
            "floors": gate["floors"],
        },
    }
    taught = sum(1 + len(row.taught) for row in fits.examples)
    understood = (
        f"{data_format(sources.file.name)}: {len(fits.examples):,} rows, {taught:,} answers taught",
        *read.notes,
        *([f"{read.bad:,} rows cannot be read and are left out"] if read.bad else []),
        *fits.notes,
        *template_notes(fits.examples, tokenizer.chat_template),
        f"judged by {gate['metric']}: {why_gate}",
        *why_held,
        *why_split,
    )
    why = f"{chosen.why}; {_lengths(fits.rows)}: max_length {length:,} of {window:,}"
    return NewTask(task, section, why, understood, previews(fits.examples, tokenizer))


def _gate_share(rows: int) -> tuple[float, tuple[str, ...]]:
    """The share of rows that are held out to judge on, and why where it is not the usual one."""
    share = min(math.ceil(100 * AIM / rows) / 100, MOST_GATE)
    if share <= GATE:
        return GATE, ()
    why = f"split.gate is {share:g}: of so few rows {GATE:.0%} are too few to judge on"
    return share, (f"{why}; lower it when there are {AIM / GATE:.0f}",)


def _base(named: str | None, params: Params, workspace: Workspace) -> BaseRef:
    """The base that the user named, or the one that all tasks of the workspace share."""
    if named is None:
        shared = {(t.base.model, t.base.revision) for t in params.tasks.values()}
        if len(shared) != 1:
            raise UsageError(
                "no base was named",
                rule="a task is trained on one base",
                remedy="name a hub id or a local folder: `--base MODEL`",
            )
        model, revision = shared.pop()
        return BaseRef(model, revision)
    folder = Path(named)
    if folder.is_dir():
        folder = folder.resolve()
        inside = folder.is_relative_to(workspace.root)
        named = folder.relative_to(workspace.root).as_posix() if inside else str(folder)
    return BaseRef(named)


def _refuse_name(task: str, params: Params) -> None:
    if not TASK_NAME.fullmatch(task):
        raise UsageError(
            f"the task name '{task}'",
            rule=f"a task name matches {TASK_NAME.pattern}",
            remedy="use lower-case letters, digits, '-' and '_'",
        )
    if task in params.tasks:
        raise taken(f"the task '{task}'")


def _lengths(rows: Sequence[int]) -> str:
    """What a person would see of the rows' lengths; of a few long ones that they are few."""
    longest, most = max(rows), sorted(rows)[math.ceil(len(rows) * 0.99) - 1]
    few = f" (99 in 100 up to {most:,})" if most * MORE < longest else ""
    return f"rows of up to {longest:,} tokens{few}"


def _rounded(length: int, more: float) -> int:
    return math.ceil(length * more / ROUND) * ROUND
