"""Reads and checks `params.yaml`; errors name the line and the nearest valid key.

`read_params` reads that file alone, so that a rollback needs nothing else; `read_task` also checks
that one task's section fits the files that it names.
"""

from __future__ import annotations

import dataclasses
import reprlib
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from pawl.config import judging, schema
from pawl.config.field_types import UnionTag
from pawl.config.policy_rules import Fault, policy_faults
from pawl.config.preconditions import precondition_faults
from pawl.config.schema import LONGEST_NAME, TASK_NAME, WORKSPACE_NAME, Params, Task
from pawl.config.target_rules import target_faults
from pawl.config.targets import KINDS
from pawl.core.records import BaseRef
from pawl.errors import ParamsError, PawlError, nearest

BOOLEAN_KEYS = ("bare", "dora", "drop_long", "on_change")
# Its values are for a base's chat template, whose arguments are mostly booleans.
FREE_VALUES = "template"
# Ten times as fast, where PyYAML was built with it.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SECTIONS: dict[str, Any] = {
    "base": BaseRef, "bases": BaseRef, "check": schema.Check, "cost": schema.Cost,
    "endpoints": judging.Endpoint, "evaluate": judging.Evaluate, "gate": judging.Gate,
    "judge": judging.Judge,
    "release": schema.Release, "schedule": schema.Schedule, "scorers": judging.Scorer,
    "split": schema.Split, "train": schema.Train,
    **dict(KINDS.values()),
}  # fmt: skip


def read_params(path: Path) -> Params:
    """Read and check `params.yaml`.

    Raises:
        ParamsError: unreadable YAML, a repeated or unknown key, a value out of range; the message
            names the file and the line.
    """
    return parse_params(_text(path), path.name)


def read_name(path: Path) -> str | None:
    """The workspace's name alone, whatever else `params.yaml` says; None if it has none.

    A store is opened by it: a rollback does not wait for a mistake elsewhere to be mended.

    Raises:
        ParamsError: the file is there and no YAML, or the name is none.
    """
    if not path.exists():
        return None
    try:
        name, line = _top_level(_text(path), "name")
    except yaml.YAMLError as error:
        raise _unreadable(path.name, error) from error
    if name is None or (WORKSPACE_NAME.fullmatch(name) and len(name) <= LONGEST_NAME):
        return name
    raise ParamsError(
        f"{path.name}:{line}: name = {reprlib.repr(name)}",
        rule=f"a workspace's name matches {WORKSPACE_NAME.pattern}, of {LONGEST_NAME} characters "
        "at most",
        remedy="use lower-case letters and digits, with single '-' between them",
    )


def read_task(path: Path, name: str) -> Task:
    """Read one task's section and check it against the files of its workspace.

    Raises:
        ParamsError: as `read_params`; or there is no such task, or the files lack what it names.
        DataError: it names a key that the data's rows do not have.
    """
    text = _text(path)
    section = parse_params(text, path.name).task(name)
    for fault in precondition_faults(section, path.parent):
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        raise _fault_error(fault, ("tasks", name), node, path.name)
    return section


def parse_params(text: str, source: str) -> Params:
    """Check the text of a `params.yaml`; `source` is its name in messages. Raises `ParamsError`."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        value = yaml.safe_load(text)
    except Exception as error:  # on a value that its tag does not fit, PyYAML raises anything
        raise _unreadable(source, error) from error
    _refuse_repeats(node, source)
    try:
        params: Params = TypeAdapter(Params).validate_python(value)
    except ValidationError as error:
        raise _schema_error(error, node, source) from error
    for name, task in params.tasks.items():
        if not TASK_NAME.fullmatch(name):
            raise ParamsError(
                f"{source}:{_line(node, ('tasks', name))}: task name '{name}'",
                rule=f"a task name matches {TASK_NAME.pattern}",
                remedy="use lower-case letters, digits, '-' and '_'",
            )
        if params.name and name == "ledger":
            raise ParamsError(
                f"{source}:{_line(node, ('tasks', name))}: a task 'ledger'",
                rule=f"`{params.name}.ledger` would be the ledger of a task '{params.name}' of a "
                "workspace without a name",
                remedy="name the task otherwise",
            )
        for fault in policy_faults(task):
            raise _fault_error(fault, ("tasks", name), node, source)
    for fault in target_faults(params.serve, list(params.tasks)):
        raise _fault_error(fault, (), node, source)
    return params


def _top_level(text: str, key: str) -> tuple[str | None, int]:
    """The scalar at a key of the top level, and its line; None where there is none, or null.

    Read no further than that: `pawl init` writes the name first.
    """
    depth = place = 0
    found = False
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth == 1 and isinstance(event, yaml.NodeEvent):
            if found:
                value = event.value if isinstance(event, yaml.ScalarEvent) else "a section"
                plain = isinstance(event, yaml.ScalarEvent) and event.implicit[0]
                null = plain and value in ("", "~", "null", "Null", "NULL")
                mark = event.start_mark
                return (None if null else value), mark.line + 1 if mark else 0
            place += 1
            found = place % 2 == 1 and getattr(event, "value", None) == key
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
    return None, 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path.name, error) from error


def _fault_error(
    fault: Fault, of: tuple[str, ...], node: yaml.Node | None, source: str
) -> PawlError:
    place = _place(node, (*of, *fault.at), source)
    return fault.error(f"{place}{fault.found}", rule=fault.rule, remedy=fault.remedy)


def _unreadable(source: str, error: Exception) -> ParamsError:
    return ParamsError(
        f"{source} cannot be read: {' '.join(str(error).split())}",
        rule="params.yaml is UTF-8 YAML with a `tasks:` mapping",
        remedy="correct the line named, or make a new workspace with `pawl init`",
    )


def _schema_error(error: ValidationError, node: yaml.Node | None, source: str) -> ParamsError:
    # A misspelt key is reported as unknown and as missing; the unknown one shows the spelling.
    unknown = ("unexpected_keyword_argument", "extra_forbidden")
    first = min(error.errors(), key=lambda e: e["type"] not in unknown)
    path = tuple(part for part in first["loc"] if part not in set(UnionTag))
    if path[-1:] == ("[key]",) and first["type"] not in unknown:
        path = path[:-1]
    place = _place(node, path, source)
    if first["type"] in unknown:
        return ParamsError(
            f"{place} is an unknown key",
            rule="unknown keys are refused, so that a misspelt key is not a silent default",
            remedy=nearest(str(path[-1]), _keys_at(first["loc"][:-1])),
        )
    if first["type"] in ("missing", "missing_argument"):
        return ParamsError(f"{place} is missing", rule="this key has no default", remedy="add it")
    # Cut, for aliases can make a page of YAML gigabytes when written out.
    short = reprlib.Repr()
    short.maxstring = short.maxother = 80
    return ParamsError(
        f"{place} = {short.repr(first['input'])}",
        rule=first["msg"].removeprefix("Value error, "),
        remedy="change the value",
    )


def _place(node: yaml.Node | None, path: tuple[Any, ...], source: str) -> str:
    return f"{source}:{_line(node, path)}: {'.'.join(map(str, path))}"


def _keys_at(path: tuple[Any, ...]) -> list[str]:
    """The valid keys of the section at `path`; task names under `tasks` are free."""
    section: Any = Params
    for part in path[:1] + path[2:]:
        section = Task if part == "tasks" else SECTIONS.get(str(part), section)
    return [f.name for f in dataclasses.fields(section)]


def _line(node: yaml.Node | None, path: tuple[Any, ...]) -> int:
    """The 1-based line of the deepest part of `path` that the YAML has."""
    line = 1
    for part in path:
        if isinstance(node, yaml.SequenceNode) and str(part).isdecimal():
            if int(part) < len(node.value):
                node = node.value[int(part)]
                line = node.start_mark.line + 1
            continue
        if not isinstance(node, yaml.MappingNode):
            break
        for key, value in node.value:
            if key.value == str(part):
                line, node = key.start_mark.line + 1, value
                break
        else:
            break
    return line


def _refuse_repeats(root: yaml.Node | None, source: str) -> None:
    """Refuse a key that a mapping has twice, and a boolean for a text or number: `slices: yes`
    would count as 1.
    """
    queue, seen = [(root, "")], {id(root)}
    while queue:
        node, name = queue.pop()
        keys: set[str] = set()
        if isinstance(node, yaml.SequenceNode):
            new = [one for one in node.value if id(one) not in seen]
            seen.update(map(id, new))
            queue += [(one, name) for one in new]
        for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
            place = f"{source}:{key.start_mark.line + 1}"
            if str(key.value) in keys:
                raise ParamsError(
                    f"{place}: the key '{key.value}' appears twice",
                    rule="YAML would silently keep the last one",
                    remedy="remove one of them",
                )
            boolean = value.tag == "tag:yaml.org,2002:bool"
            if boolean and key.value not in BOOLEAN_KEYS and name != FREE_VALUES:
                raise ParamsError(
                    f"{place}: {key.value} = {value.value}",
                    rule=f"only {', '.join(BOOLEAN_KEYS)} take a boolean; a bare yes, no, on or "
                    "off is one in YAML",
                    remedy="give a number, or a text in quotes",
                )
            keys.add(str(key.value))
            # Aliases share nodes, and can be recursive.
            if id(value) not in seen:
                seen.add(id(value))
                queue.append((value, str(key.value)))
