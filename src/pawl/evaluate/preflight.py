"""Preflight: fail before training on what would make the evaluation fail."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pawl.config.judging import Evaluate
from pawl.config.schema import Task
from pawl.core.files import write_json
from pawl.core.metrics import OF_TOKENS
from pawl.core.records import BaseInfo, BaseRef, Champion, Example, read_record, read_rows
from pawl.core.records.io import read_value
from pawl.errors import ParamsError
from pawl.evaluate.baselines import (
    Prompts,
    baselines,
    longest_prompt,
    prompt_limit,
    prompts_of,
)
from pawl.evaluate.grammar import held_schema, refuse_unwritable
from pawl.evaluate.judged_rows import champion_manifest
from pawl.evaluate.judging import (
    Judging,
    asked_of_task,
    assumed,
    cards_of,
    judging,
    refuse_unfit,
)
from pawl.evaluate.moved_champion import planned_move
from pawl.evaluate.scorers import score_all, scorers
from pawl.evaluate.telling import cannot_tell
from pawl.model.base import find_base, find_config, has_tokenizer
from pawl.model.device import Device, here
from pawl.model.prompt import format_of
from pawl.model.tokenizer import load_tokenizer
from pawl.workspace.paths import Workspace


def preflight(workspace: Workspace, task: str) -> None:
    """Write `build/<task>/preflight.json`: the prompt limit, and each baseline's longest prompt.

    The user's scorers are tried on dev rows with the reference as answer; a champion on another
    base is looked for with its base. A metric that cannot tell contenders apart is named.

    Raises:
        DataError: a prompt does not fit, or a user's scorer failed.
        BaseError: the base cannot be judged in this machine's memory, or the one that the champion
            was trained on cannot or is not here.
        ParamsError: the gate's metrics cannot compare adapters of two bases, or decoding cannot be
            held to the task's schema.
    """
    section, files = workspace.task(task), workspace.files(task)
    train, dev, gate = (
        read_rows(files.splits / f"{name}.jsonl") for name in ("train", "dev", "gate")
    )
    prompts = longest_prompts(
        train,
        dev,
        gate,
        asked=prompts_of(section.evaluate, files),
        policy=section.evaluate,
        folder=find_base(section.base, workspace.root),
        base=section.base,
    )
    _try_champion(workspace, task, [*dev, *gate])
    schema = read_value(files.schema)
    _try_grammar(
        section, held_schema(files), [*train, *dev], find_base(section.base, workspace.root)
    )
    by_metric = scorers(schema, section.evaluate, workspace.root)
    score_all(by_metric, [row.completion for row in dev], dev)
    asked, device = prompts_of(section.evaluate, files), here()
    held = planned_judging(section, (train, dev, gate), asked, workspace.root, device)
    refuse_unfit(held, device, section.base.model)
    write_json(files.preflight, prompts)
    if held.weights != "dense":
        sys.stderr.write(f"preflight: {held.says()}\n")
    notes = [*prompt_notes(find_base(section.base, workspace.root), section.base)]
    notes += [cannot_tell(section.gate.metric, dev, files.eval / "report.json")]
    for line in filter(None, notes):
        sys.stderr.write(f"preflight: {line}\n")


def _try_grammar(section: Task, schema: Any, rows: Sequence[Example], folder: Path) -> None:
    """Raise where decoding cannot be held to the schema, or could not write these rows' answers."""
    if section.evaluate.schema_decoding == "none":
        return
    tokenizer = load_tokenizer(folder, section.base)
    refuse_unwritable(schema, tokenizer, rows)


def planned_judging(
    section: Task,
    splits: tuple[Sequence[Example], Sequence[Example], Sequence[Example]],
    prompts: Prompts,
    root: Path,
    device: Device,
) -> Judging:
    """How the task's base will be judged on the device; `splits`: rows of train, dev and gate.

    Without the base's tokenizer prompts as long as `train.max_length` are assumed.
    """
    folder = find_config(section.base, root)
    if has_tokenizer(folder):
        tokenizer = load_tokenizer(folder, section.base)
        limit = prompt_limit(folder, section.evaluate)
        asked = asked_of_task(section, splits, prompts, tokenizer, limit=limit)
    else:
        asked = assumed(section)
    return judging(folder, asked, device, cards=cards_of(section))


def prompt_notes(folder: Path, base: BaseRef) -> tuple[str, ...]:
    """What a reader should know of the base's prompts, in sentences; none for most bases."""
    return format_of(load_tokenizer(folder, base)).template.says()


def _try_champion(workspace: Workspace, task: str, rows: Sequence[Example]) -> None:
    """Raise where the champion, as the flow left it, sits on another base and cannot be judged."""
    files, section = workspace.files(task), workspace.task(task)
    record = files.champion / "champion.json"
    if not record.is_file():  # DVC alone in a workspace whose dvc.yaml is of before
        return
    champion = champion_manifest(files, read_record(record, Champion))
    if champion is None or champion.base.digest == read_record(files.base, BaseInfo).digest:
        return
    if odd := sorted({section.gate.metric, *section.gate.guards}.intersection(OF_TOKENS)):
        raise ParamsError(
            f"the gate judges by {' and '.join(odd)}, and the champion of '{task}' sits on base "
            f"{champion.base.model}",
            rule="these metrics count tokens, and another base cuts text into others",
            remedy="judge the move to another base by another metric: `gate.metric`, `gate.guards`",
        )
    device = here()
    place, held = planned_move(workspace, task, champion, rows, device)
    folder = find_base(place, workspace.root)
    limit = prompt_limit(folder, section.evaluate)
    tokenizer = load_tokenizer(folder, champion.base)
    baselines((), rows, Prompts(), tokenizer=tokenizer, limit=limit)
    refuse_unfit(held, device, place.model)


def longest_prompts(
    train: Sequence[Example],
    dev: Sequence[Example],
    gate: Sequence[Example],
    *,
    asked: Prompts,
    policy: Evaluate,
    folder: Path,
    base: BaseRef,
) -> dict[str, int]:
    """Tokens of each baseline's longest prompt, and `fit`, the most that a prompt may have.

    Raises:
        DataError: a prompt does not fit in the window of the base in `folder`, or its chat
            template cannot show a row's turns.
    """
    tokenizer, limit = load_tokenizer(folder, base), prompt_limit(folder, policy)
    prompted, _ = baselines(train, gate, asked, tokenizer=tokenizer, limit=limit)
    # On dev only the candidate answers, with the zero-shot prompt.
    baselines((), dev, Prompts(), tokenizer=tokenizer, limit=limit)
    return {"fit": limit} | {b.name: longest_prompt(b.show, gate, tokenizer) for b in prompted}
