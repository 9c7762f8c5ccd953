"""The schema of `params.yaml`: typed, frozen sections; unknown keys and bad values are refused.

Each task has one section. DVC tracks for each stage only the parts that it reads, so that a new
gate policy does not retrain and a new rank does not re-check.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    StrictBool,
)
from pydantic.dataclasses import dataclass

from pawl.config.field_types import (
    Amount,
    Beta,
    DataRule,
    FileName,
    LayerName,
    RankInput,
    RowPart,
    Share,
    valid_cron,
    valid_distinct,
    valid_rank,
    valid_timezone,
)
from pawl.config.judging import Evaluate, Gate
from pawl.config.targets import Target
from pawl.core.records import STRICT, BaseRef, to_json
from pawl.errors import ParamsError, nearest

TASK_NAME = re.compile(r"^[a-z][a-z0-9_-]{0,39}$")
# Without a dot and two dashes, which part it from a task's name in MLflow and in Prefect.
WORKSPACE_NAME = re.compile(r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")
LONGEST_NAME = 40

# Contenders of every evaluation; `evaluate.bases` and `evaluate.endpoints` take other names.
CONTENDERS = (
    *("candidate", "champion", "carried", "base"),
    *("zero-shot", "few-shot", "long-prompt", "long-few-shot", "built-prompt"),
)
# The keys that every row may have; `split.group_by` and `slice_by` name a further one.
ROW_KEYS = ("id", "prompt", "completion", "messages")


@dataclass(frozen=True, config=STRICT)
class Check:
    """How the data is read, and what it must be.

    More unreadable rows than the share `drop_bad` block a training; `drop_long` leaves out rows
    longer than `train.max_length`, which block it otherwise. `columns` names the rows' own
    keys for what they are. Of a chat with several assistant turns, `turns` teaches and judges the
    `last`; teaches `all` in one pass and judges the last; or makes `each` a row, judged by itself.
    """

    min_rows: Annotated[int, Field(ge=10)] = 100
    # More than a fifth is not noise but the wrong file.
    drop_bad: Annotated[float, Field(ge=0, le=0.2)] = 0.0
    drop_long: StrictBool = False
    columns: dict[RowPart, Annotated[str, Field(min_length=1)]] = field(default_factory=dict)
    turns: Literal["last", "all", "each"] = "last"
    severity: dict[DataRule, Literal["block", "warn"]] = field(default_factory=dict)


@dataclass(frozen=True, config=STRICT)
class Split:
    """Shares of the held-out splits; `salt` and a row's prompt decide the row's split.

    `group_by` and `slice_by` name a further key of the data's rows: rows of one group (a customer,
    a conversation) share a split; each slice is guarded by itself. Train rows whose prompts share
    `near` of their shingles (Jaccard) with a held-out row are near-copies and left out.
    """

    salt: Annotated[str, Field(min_length=1)]
    dev: Share = 0.08
    gate: Share = 0.2
    group_by: str | None = None
    slice_by: str | None = None
    near: Annotated[float, Field(gt=0, le=1)] = 0.7


@dataclass(frozen=True, config=STRICT)
class Train:
    """QLoRA: NF4 base with double quantisation, LoRA on linear layers, rsLoRA scaling.

    `rank`: `pawl.train.rank`. `targets` are linear layers; None: all but the head. `dora`: Liu et
    al. 2024; `lora_plus` is the ratio of B's learning rate to A's (Hayou et al. 2024). `processes`
    of one machine take each step together, each with the whole base (`ddp`) or with a share of it
    (`fsdp`). `precision` is what products are computed in on a CPU, `auto`: bfloat16 where it has
    it in hardware; a card computes in bfloat16.

    `warmup` is a share of all steps. Dev loss is measured `evaluations` times, evenly; None: at
    the end of each epoch where `keep: best` or `patience` (evaluations without a new best, after
    which the training ends) need it, else only after the training. `start`: from new weights, from
    the champion's, or from each, of which the one with the lower dev loss is the candidate.
    """

    rank: Annotated[
        int | Literal["auto"], PlainValidator(valid_rank, json_schema_input_type=RankInput)
    ] = 16
    alpha: Annotated[float, Field(gt=0)] = 16
    targets: Annotated[tuple[LayerName, ...], AfterValidator(valid_distinct)] | None = None
    dora: StrictBool = False
    lora_plus: Annotated[float, Field(ge=1, le=1024)] = 1
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    epochs: Annotated[float, Field(gt=0, le=1000)] = 6
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-3
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: Annotated[float, Field(ge=0, le=0.5)] = 0.06
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.0
    # Trainings have a few hundred steps: AdamW's 0.999 would average over all of them.
    betas: tuple[Beta, Beta] = (0.9, 0.99)
    max_grad_norm: Annotated[float, Field(gt=0, le=1000)] = 1.0
    evaluations: Annotated[int, Field(ge=1, le=1000)] | None = None
    keep: Literal["best", "last"] = "last"
    patience: Annotated[int, Field(ge=1, le=1000)] | None = None
    start: Literal["base", "champion", "both"] = "base"
    batch_size: Annotated[int, Field(ge=1)] = 16
    max_length: Annotated[int, Field(ge=8)] = 512
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 17
    processes: Annotated[int, Field(ge=1, le=64)] = 1
    parallel: Literal["ddp", "fsdp"] = "ddp"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"


@dataclass(frozen=True, config=STRICT)
class Cost:
    """What a million prompt and output tokens and an hour of training cost, in one currency."""

    prompt_tokens: Amount
    output_tokens: Amount
    train_hour: Amount


@dataclass(frozen=True, config=STRICT)
class Schedule:
    """When the flow runs: a cron line of five fields in an IANA time zone, or new data.

    `on_change`: also when the task's data has a new version.
    """

    cron: Annotated[str, AfterValidator(valid_cron)] | None = None
    on_change: StrictBool = False
    timezone: Annotated[str, AfterValidator(valid_timezone)] = "UTC"


@dataclass(frozen=True, config=STRICT)
class Task:
    """One narrow job: its data and base, how it is trained, judged and scheduled.

    Each section without a default must be in the file, even if it is `{}`: DVC tracks it as a
    parameter of a stage.
    """

    data: FileName
    base: BaseRef
    check: Check
    split: Split
    train: Train
    evaluate: Evaluate
    gate: Gate
    schema: FileName | None = None
    prompt: FileName | None = None
    schedule: Schedule | None = None
    cost: Cost | None = None


@dataclass(frozen=True, config=STRICT)
class Release:
    """For all tasks: how many previous champions keep a verified local copy, for a rollback."""

    keep: Annotated[int, Field(ge=1, le=100)] = 3


@dataclass(frozen=True, config=STRICT)
class Params:
    """The whole of `params.yaml`; `serve` is where releases are published to.

    `name` is the workspace's: servers that several share have it in every name. None: those of
    Pawl 0.1, the tasks' alone.
    """

    tasks: dict[str, Task]
    release: Release = field(default_factory=Release)
    serve: tuple[Target, ...] = ()
    name: Annotated[str, Field(pattern=WORKSPACE_NAME.pattern, max_length=LONGEST_NAME)] | None = (
        None
    )

    def task(self, name: str) -> Task:
        """Return one task's section, or raise `ParamsError` that names the nearest task."""
        if name not in self.tasks:
            raise ParamsError(
                f"there is no task '{name}'",
                rule="a task is a section under `tasks:` in params.yaml",
                remedy=f"{nearest(name, self.tasks)}; `pawl new {name} --data FILE` adds one",
            )
        return self.tasks[name]


def as_json(section: Any) -> dict[str, Any]:
    """A section as plain JSON values, with its defaults."""
    return to_json(section)


def completed(section: Mapping[str, Any]) -> dict[str, Any]:
    """A task's section that an earlier version of Pawl stored, with the keys that came since.

    They are at their defaults, which do what that version did.
    """
    kinds: dict[str, Any] = {"check": Check, "train": Train, "evaluate": Evaluate, "gate": Gate}
    said = {name: as_json(kind()) | section.get(name, {}) for name, kind in kinds.items()}
    return {**section, **said}
