"""Reading `params.yaml`: each fault is named with its line and the nearest valid key."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from pawl.errors import ParamsError, nearest
from pawl.metrics import FALL, METRICS
from pawl.params import (
    CONTENDERS,
    TASK_NAME,
    Base,
    Check,
    Cost,
    Endpoint,
    Evaluate,
    Gate,
    Params,
    Release,
    Schedule,
    Split,
    Task,
    Train,
)


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
    for name, task in params.tasks.items():
        _refuse_unmeasured(name, task, node, source)
        if not TASK_NAME.match(name):
            raise ParamsError(
                f"{source}:{_line(node, ('tasks', name))}: task name '{name}'",
                rule=f"a task name matches {TASK_NAME.pattern}",
                remedy="use lower-case letters, digits, '-' and '_'",
            )
    return params


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
    place = _place(node, path, name)
    if first["type"] in unknown:
        return ParamsError(
            f"{place} is no known key",
            rule="unknown keys are refused, so that a typing error is never a silent default",
            remedy=nearest(str(path[-1]), _keys_at(path[:-1])),
        )
    if first["type"] in ("missing", "missing_argument"):
        return ParamsError(f"{place} is missing", rule="this key has no default", remedy="add it")
    return ParamsError(
        f"{place} = {first['input']!r}", rule=first["msg"], remedy="change the value"
    )


def _refuse_unmeasured(name: str, task: Task, node: yaml.Node | None, source: str) -> None:
    """Every metric that the policy names is one of Pawl's own or one of the task's scorers."""
    scorers, gate = task.evaluate.scorers, task.gate
    known = (*METRICS, *scorers)
    for metric, path in [
        (gate.metric, ("metric",)),
        *((m, ("floors", m)) for m in gate.floors),
        *((m, ("guards", m)) for m in gate.guards),
    ]:
        place = _place(node, ("tasks", name, "gate", *path), source)
        if metric not in known:
            raise ParamsError(
                f"{place}: '{metric}' is no metric",
                rule=f"a metric is one of {', '.join(known)}",
                remedy=nearest(metric, known),
            )
        if path[0] == "floors" and metric in FALL:
            raise ParamsError(
                f"{place}: '{metric}' has no floor",
                rule="of this metric less is better",
                remedy="name it under `guards` instead",
            )
    for metric in set(scorers) & set(METRICS):
        raise ParamsError(
            f"{_place(node, ('tasks', name, 'evaluate', 'scorers', metric), source)}: '{metric}'",
            rule="a scorer of your own does not take the name of one of Pawl's",
            remedy=f"call it 'my_{metric}'",
        )
    _refuse_namesakes(name, task, node, source)


def _refuse_namesakes(name: str, task: Task, node: yaml.Node | None, source: str) -> None:
    """Every contender has a name of its own."""
    evaluate = task.evaluate
    taken = {"bases": {*CONTENDERS}, "endpoints": {*CONTENDERS, *evaluate.bases}}
    for section, names in (("bases", evaluate.bases), ("endpoints", evaluate.endpoints)):
        for contender in names:
            if contender in taken[section]:
                place = ("tasks", name, "evaluate", section, contender)
                raise ParamsError(
                    f"{_place(node, place, source)}: the name '{contender}' is taken",
                    rule=f"other contenders are {', '.join(sorted(taken[section]))}",
                    remedy=f"call it 'other-{contender}'",
                )


def _place(node: yaml.Node | None, path: tuple[Any, ...], source: str) -> str:
    return f"{source}:{_line(node, path)}: {'.'.join(map(str, path))}"


def _keys_at(path: tuple[Any, ...]) -> list[str]:
    """The keys that the section at `path` knows; task names under `tasks` are free."""
    section: Any = Params
    for part in path[:1] + path[2:]:
        section = Task if part == "tasks" else _SECTIONS.get(str(part), section)
    return [f.name for f in dataclasses.fields(section)]


_SECTIONS: dict[str, Any] = {
    "base": Base,
    "check": Check,
    "split": Split,
    "train": Train,
    "evaluate": Evaluate,
    "bases": Base,
    "endpoints": Endpoint,
    "gate": Gate,
    "schedule": Schedule,
    "cost": Cost,
    "release": Release,
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
