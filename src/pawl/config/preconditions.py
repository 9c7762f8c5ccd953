"""Preconditions of a cycle: what a task's section names must exist in its files and its base.

No code of the task is run, nothing is fetched and no weights are read. A file that is not there yet
(data before `dvc pull`) or is broken in itself is skipped: the stage that reads it raises.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pawl.config.policy_rules import Fault, named_metrics
from pawl.config.schema import ROW_KEYS, Task, Train
from pawl.config.user_functions import find_function_fault
from pawl.core.private_places import private_place
from pawl.core.records import BaseRef
from pawl.errors import DataError, nearest
from pawl.model.adapted_layers import linear_names
from pawl.model.base import has_tokenizer
from pawl.model.chat_template import template_source, unread_argument

# Only the first rows of the data are read; the stage `check` looks at all of them.
FIRST_ROWS = 20
MAX_LINE = 1 << 20
# Names of one setting in config.json; older kinds of models have their own.
WINDOW = ("max_position_embeddings", "n_positions", "n_ctx", "seq_length")
WIDTH = ("hidden_size", "n_embd", "d_model")


def precondition_faults(task: Task, root: Path) -> Iterator[Fault]:
    """Everything that the section names and the workspace `root` does not have."""
    for metric, scorer in task.evaluate.own.items():
        if fault := find_function_fault(scorer.function, root):
            yield Fault(("evaluate", "scorers", metric), *fault)
    yield from _private_bases(task, root)
    yield from _unknown_fields(task, root)
    yield from _missing_enum(task, root)
    yield from _base_faults(task.base, task.train, root)


def refuse_base_faults(base: BaseRef, train: Train, workspace: Path) -> None:
    """Raise `ParamsError` for the first training parameter that the base cannot meet."""
    for fault in _base_faults(base, train, workspace):
        found = f"{'.'.join(fault.at)}{fault.found}"
        raise fault.error(found, rule=fault.rule, remedy=fault.remedy)


def _private_bases(task: Task, root: Path) -> Iterator[Fault]:
    named = {("base", "model"): task.base} | {
        ("evaluate", "bases", name, "model"): base for name, base in task.evaluate.bases.items()
    }
    for at, base in named.items():
        if private := private_place(root / base.model, root):
            rule = "a base is no state of Pawl, git or DVC"
            yield Fault(at, f" = '{base.model}' leads to {private}", rule, "move it to base/")


def _unknown_fields(task: Task, root: Path) -> Iterator[Fault]:
    options = {"group_by": task.split.group_by, "slice_by": task.split.slice_by}
    keys = _row_keys(root / task.data) if any(options.values()) else None
    rule = "it names a key that every row has, with a text or a number"
    for option, name in options.items():
        if name is not None and keys is not None and name not in keys:
            found = f" = '{name}': no such key in the first rows of {task.data}"
            yield Fault(("split", option), found, rule, nearest(name, keys), DataError)


def _row_keys(path: Path) -> set[str] | None:
    """The further keys of the first rows, or None if the file cannot be read."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            lines = [file.readline(MAX_LINE) for _ in range(FIRST_ROWS)]
        rows = [json.loads(line) for line in lines if line]
    except (OSError, ValueError, RecursionError):
        return None
    keys = {key for row in rows if isinstance(row, dict) for key in row}
    lines_of_rows = path.name.endswith(".jsonl") and all(isinstance(row, dict) for row in rows)
    return keys - set(ROW_KEYS) if rows and lines_of_rows else None


def _missing_enum(task: Task, root: Path) -> Iterator[Fault]:
    if task.schema is None:
        return
    try:
        schema = json.loads((root / task.schema).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return
    fields = schema.get("properties") if isinstance(schema, dict) else None
    values = fields.values() if isinstance(fields, dict) else ()
    if any(isinstance(field, dict) and "enum" in field for field in values):
        return
    found = f": 'enum_valid', but {task.schema} has no field with an `enum`"
    rule = "it is the share of the schema's top-level `enum` fields given with their values"
    remedy = "give a field of the schema an `enum`, or name another metric"
    yield from (
        Fault(at, found, rule, remedy) for at, m in named_metrics(task) if m == "enum_valid"
    )


def _base_faults(base: BaseRef, train: Train, workspace: Path) -> Iterator[Fault]:
    """Training parameters that the base cannot meet; none while its files are not here."""
    if (folder := _cached(base, workspace)) is None or (config := _config(folder)) is None:
        return
    window, width = (
        next((config[name] for name in names if type(config.get(name)) is int), None)
        for names in (WINDOW, WIDTH)
    )
    if window is not None and train.max_length > window:
        yield Fault(
            ("train", "max_length"),
            f" = {train.max_length}, but {base.model} sees {window} tokens",
            f"prompt and completion fit in the base's window: at most {window}",
            f"lower it to {window} or less, or name another base",
        )
    if width is not None and train.rank != "auto" and train.rank > width:
        yield Fault(
            ("train", "rank"),
            f" = {train.rank}, but {base.model} is {width} wide",
            f"no update of its layers has a rank above their width: 1 to {width}, or auto",
            "lower it: most tasks are learned with 8 to 64",
        )
    if train.targets is not None:
        yield from _unknown_targets(base, train.targets, folder)
    yield from _unread_arguments(base, folder)


def _cached(base: BaseRef, workspace: Path) -> Path | None:
    """The folder of the base if its config.json is on this machine, else None; no network."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    folder = workspace / base.model
    if (folder / "config.json").is_file():
        return folder
    try:
        cached = try_to_load_from_cache(base.model, "config.json", revision=base.revision)
    except HFValidationError:
        return None
    return Path(cached).parent if isinstance(cached, str) else None


def _unknown_targets(base: BaseRef, targets: tuple[str, ...], folder: Path) -> Iterator[Fault]:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    layers = linear_names(model)
    rule = f"its linear layers, but for the head, are {', '.join(layers)}"
    for name in targets:
        if name not in layers:
            found = f": '{name}' is no linear layer of {base.model}"
            yield Fault(("train", "targets"), found, rule, nearest(name, layers))


def _unread_arguments(base: BaseRef, folder: Path) -> Iterator[Fault]:
    """Template arguments that the template does not read; none while its files are not here."""
    if not base.template or not has_tokenizer(folder):
        return
    if fault := unread_argument(base.template, template_source(folder)):
        name, found, rule, remedy = fault
        yield Fault(("base", "template", name), found, rule, remedy)


def _config(folder: Path) -> dict[str, Any] | None:
    """The language model's part of config.json, or None if it is broken: `find_base` raises."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    text = config.get("text_config", config) if isinstance(config, dict) else None
    return text if isinstance(text, dict) else None
