"""A task's section against the files of its workspace: names that stand in none of them.

Nothing of the task's is imported and little is read, so that whatever begins a cycle can ask first.
What is not there yet (data before `dvc pull`) or broken in itself is for the stage that needs it to
say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pawl.config.policy_rules import Fault, named_metrics
from pawl.config.schema import ROW_KEYS, Task, Train
from pawl.config.user_functions import undefined
from pawl.core.records import BaseRef
from pawl.errors import DataError, nearest
from pawl.model.base import linear_names

# Of the data only its first rows are looked at; the stage `check` asks all of them.
FIRST = 20
LONGEST = 1 << 20


def absent(task: Task, root: Path) -> Iterator[Fault]:
    """What the section names and the files below `root` do not have."""
    for metric, function in task.evaluate.scorers.items():
        if missing := undefined(function, root):
            yield Fault(("evaluate", "scorers", metric), *missing)
    yield from _unknown_fields(task, root)
    yield from _no_enum(task, root)
    yield from unfit(task.base, task.train, root)


def _unknown_fields(task: Task, root: Path) -> Iterator[Fault]:
    asked = {"group_by": task.split.group_by, "slice_by": task.split.slice_by}
    known = _row_keys(root / task.data) if any(asked.values()) else None
    for option, name in asked.items():
        if name is not None and known is not None and name not in known:
            yield Fault(
                ("split", option),
                f" = '{name}': no such key in the first rows of {task.data}",
                "it names a key that every row has, with a text or a number",
                nearest(name, known),
                DataError,
            )


def _row_keys(path: Path) -> set[str] | None:
    """The further keys of the first rows; None where they cannot be told."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            lines = [file.readline(LONGEST) for _ in range(FIRST)]
        rows = [json.loads(line) for line in lines if line]
    except (OSError, ValueError, RecursionError):
        return None
    keys = {key for row in rows if isinstance(row, dict) for key in row}
    return keys - set(ROW_KEYS) if rows else None


def _no_enum(task: Task, root: Path) -> Iterator[Fault]:
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
    for at, metric in named_metrics(task):
        if metric == "enum_valid":
            yield Fault(
                at,
                f": 'enum_valid', but {task.schema} has no field with an `enum`",
                "it is the share of the schema's top-level `enum` fields given with their values",
                "give a field of the schema an `enum`, or name another metric",
            )


# Configurations of older kinds of models have names of their own.
WINDOW = ("max_position_embeddings", "n_positions", "n_ctx", "seq_length")
WIDTH = ("hidden_size", "n_embd", "d_model")


def unfit(base: BaseRef, train: Train, workspace: Path) -> Iterator[Fault]:
    """What is asked of the base in vain; nothing where its files are not on this machine yet."""
    folder = _cached(base, workspace)
    config = None if folder is None else _config(folder)
    if folder is None or config is None:
        return
    window, width = (_number(config, names) for names in (WINDOW, WIDTH))
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


def refuse_unfit(base: BaseRef, train: Train, workspace: Path) -> None:
    """Raise the first fault.

    Raises:
        ParamsError: names the key, the rule and what is possible.
    """
    for fault in unfit(base, train, workspace):
        raise fault.error(
            f"{'.'.join(fault.at)}{fault.found}", rule=fault.rule, remedy=fault.remedy
        )


def _cached(base: BaseRef, workspace: Path) -> Path | None:
    """The folder of a base whose config.json is on this machine, None if it is not; no network."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    folder = workspace / base.model
    if (folder / "config.json").is_file():
        return folder
    try:
        found = try_to_load_from_cache(base.model, "config.json", revision=base.revision)
    except HFValidationError:
        return None
    return Path(found).parent if isinstance(found, str) else None


def _unknown_targets(base: BaseRef, targets: tuple[str, ...], folder: Path) -> Iterator[Fault]:
    known = _linear_layers(folder)
    for name in targets:
        if name not in known:
            yield Fault(
                ("train", "targets"),
                f": '{name}' is no linear layer of {base.model}",
                f"its linear layers, but for the head, are {', '.join(known)}",
                nearest(name, known),
            )


def _linear_layers(folder: Path) -> list[str]:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    with torch.device("meta"):
        return linear_names(AutoModelForCausalLM.from_config(config, trust_remote_code=False))


def _config(folder: Path) -> dict[str, Any] | None:
    """The language model's part of config.json; None where `find_base` will say what is off."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    text = config.get("text_config", config) if isinstance(config, dict) else None
    return text if isinstance(text, dict) else None


def _number(config: dict[str, Any], names: tuple[str, ...]) -> int | None:
    return next((config[name] for name in names if type(config.get(name)) is int), None)
