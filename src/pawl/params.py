"""`params.yaml` as typed, frozen parameters: unknown keys are refused, ranges are checked.

Each task has one section; DVC hands each stage just the part of it that the stage reads, so that a
new gate policy does not retrain and a new rank does not re-check.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from zoneinfo import available_timezones

import yaml
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from pawl.errors import ParamsError, nearest

TASK_NAME = re.compile(r"^[a-z][a-z0-9_-]{0,39}$")
STRICT = ConfigDict(extra="forbid")

Metric = Literal["exact_match", "json_valid", "schema_valid", "field_accuracy"]
METRICS: tuple[str, ...] = get_args(Metric)
Share = Annotated[float, Field(gt=0, lt=0.5)]
Rate = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


def _known_timezone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"'{name}' is no IANA time zone; {nearest(name, available_timezones())}")
    return name


def _five_fields(cron: str) -> str:
    if len(cron.split()) != 5:
        raise ValueError("a cron line has five fields: minute hour day month weekday")
    return cron


@dataclass(frozen=True, config=STRICT)
class Base:
    """The frozen model: a Hugging Face id with a revision, or a folder of the workspace."""

    model: Annotated[str, Field(min_length=1)]
    revision: str | None = None


@dataclass(frozen=True, config=STRICT)
class Check:
    """What the data must be before anything is trained on it."""

    min_rows: Annotated[int, Field(ge=10)] = 100


@dataclass(frozen=True, config=STRICT)
class Split:
    """Shares of the held-out splits; `salt` decides, with a row's prompt, where the row goes."""

    salt: Annotated[str, Field(min_length=1)]
    dev: Share = 0.08
    gate: Share = 0.2


@dataclass(frozen=True, config=STRICT)
class Train:
    """QLoRA: NF4 base with double quantisation, LoRA on all linear layers, rsLoRA scaling."""

    rank: Annotated[int, Field(ge=1, le=512)] = 16
    alpha: Annotated[float, Field(gt=0)] = 16
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    epochs: Annotated[float, Field(gt=0, le=1000)] = 6
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-3
    batch_size: Annotated[int, Field(ge=1)] = 16
    max_length: Annotated[int, Field(ge=8)] = 512
    seed: Annotated[int, Field(ge=0)] = 17


@dataclass(frozen=True, config=STRICT)
class Evaluate:
    """How contenders answer: greedy decoding, batched; `shots` examples for the k-shot baseline."""

    shots: Annotated[int, Field(ge=1, le=64)] = 4
    max_new_tokens: Annotated[int, Field(ge=1)] = 64
    batch_size: Annotated[int, Field(ge=1)] = 64


@dataclass(frozen=True, config=STRICT)
class Gate:
    """The promotion policy.

    `alpha` is the chance of a false promotion over the whole life of the gate split; each of its
    `looks` spends an equal part. `floors` must be reached by a first champion; `guards` may fall
    behind the champion by at most the stated margin (both in shares of 1).
    """

    metric: Metric = "exact_match"
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    looks: Annotated[int, Field(ge=1, le=1000)] = 20
    min_rows: Annotated[int, Field(ge=1)] = 30
    floors: dict[Metric, Rate] = field(default_factory=dict)
    guards: dict[Metric, Rate] = field(default_factory=dict)


@dataclass(frozen=True, config=STRICT)
class Schedule:
    """When the flow runs by itself."""

    cron: Annotated[str, AfterValidator(_five_fields)]
    timezone: Annotated[str, AfterValidator(_known_timezone)] = "UTC"


@dataclass(frozen=True, config=STRICT)
class Task:
    """One narrow job: its data, its base, how it is trained, judged and scheduled.

    The sections must stand in the file, be it as `{}`: DVC tracks each as a parameter of a stage.
    """

    data: str
    base: Base
    check: Check
    split: Split
    train: Train
    evaluate: Evaluate
    gate: Gate
    schema: str | None = None
    prompt: str | None = None
    schedule: Schedule | None = None


@dataclass(frozen=True, config=STRICT)
class Params:
    """The whole of `params.yaml`."""

    tasks: dict[str, Task]

    def task(self, name: str) -> Task:
        """Return one task's section, or raise `ParamsError` that names the nearest task."""
        if name not in self.tasks:
            raise ParamsError(
                f"there is no task '{name}'",
                rule="a task is a section under `tasks:` in params.yaml",
                remedy=f"{nearest(name, self.tasks)}; `pawl new {name} --data FILE` adds one",
            )
        return self.tasks[name]


def read_params(path: Path) -> Params:
    """Read and check `params.yaml`.

    Raises:
        ParamsError: unreadable YAML, a repeated or unknown key, a value out of range; the message
            names the file and the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path.name, error) from error
    return parse_params(text, path.name)


def parse_params(text: str, source: str) -> Params:
    """Check the text of a `params.yaml`; `source` is how messages name it. Raises as above."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _unreadable(source, error) from error
    _refuse_repeats(node, source)
    try:
        params: Params = TypeAdapter(Params).validate_python(value)
    except ValidationError as error:
        raise _taught(error, node, source) from error
    for name in params.tasks:
        if not TASK_NAME.match(name):
            raise ParamsError(
                f"{source}:{_line(node, ('tasks', name))}: task name '{name}'",
                rule=f"a task name matches {TASK_NAME.pattern}",
                remedy="use lower-case letters, digits, '-' and '_'",
            )
    return params


def as_json(section: Any) -> dict[str, Any]:
    """A section of the parameters as plain JSON values (defaults spelled out)."""
    return dataclasses.asdict(section)


def _unreadable(source: str, error: Exception) -> ParamsError:
    return ParamsError(
        f"{source} cannot be read: {' '.join(str(error).split())}",
        rule="params.yaml is UTF-8 YAML with a `tasks:` mapping",
        remedy="mend the line named, or start again with `pawl init`",
    )


def _taught(error: ValidationError, node: yaml.Node | None, name: str) -> ParamsError:
    # A misspelt key is both unknown and missing; the unknown one is what a person can mend.
    unknown = ("unexpected_keyword_argument", "extra_forbidden")
    first = min(error.errors(), key=lambda e: e["type"] not in unknown)
    path = tuple(part for part in first["loc"] if part != "[key]")
    place = f"{name}:{_line(node, path)}: {'.'.join(map(str, path))}"
    if first["type"] in unknown:
        return ParamsError(
            f"{place} is no known key",
            rule="unknown keys are refused, so that a typing error is never a silent default",
            remedy=nearest(str(path[-1]), _keys_at(path[:-1])),
        )
    if first["type"] in ("missing", "missing_argument"):
        return ParamsError(f"{place} is missing", rule="this key has no default", remedy="add it")
    known = METRICS if "'exact_match'" in first["msg"] else ()
    return ParamsError(
        f"{place} = {first['input']!r}",
        rule=first["msg"],
        remedy=nearest(str(first["input"]), known) if known else "change the value",
    )


def _keys_at(path: tuple[Any, ...]) -> list[str]:
    """The keys that the section at `path` knows; task names under `tasks` are free."""
    section: Any = Params
    for part in path[:1] + path[2:]:
        section = Task if part == "tasks" else _SECTIONS.get(str(part), Task)
    return [f.name for f in dataclasses.fields(section)]


_SECTIONS: dict[str, Any] = {
    "base": Base,
    "check": Check,
    "split": Split,
    "train": Train,
    "evaluate": Evaluate,
    "gate": Gate,
    "schedule": Schedule,
}


def _line(node: yaml.Node | None, path: tuple[Any, ...]) -> int:
    """The 1-based line of the deepest part of `path` that stands in the YAML."""
    line = 1
    for part in path:
        if not isinstance(node, yaml.MappingNode):
            break
        for key, value in node.value:
            if key.value == str(part):
                line, node = key.start_mark.line + 1, value
                break
        else:
            break
    return line


def _refuse_repeats(node: yaml.Node | None, name: str) -> None:
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        if key.value in seen:
            raise ParamsError(
                f"{name}:{key.start_mark.line + 1}: the key '{key.value}' stands twice",
                rule="YAML would silently keep the last one",
                remedy="remove one of them",
            )
        seen.add(key.value)
        _refuse_repeats(value, name)
