"""The files that a task's section names: data, schema, long prompt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pawl.config.judging import Evaluate
from pawl.config.schema import Task
from pawl.core.json_schema import validator_of
from pawl.core.private_places import holds_private_key
from pawl.errors import DataError
from pawl.workspace.paths import Workspace


def data_file(workspace: Workspace, section: Task) -> Path:
    """The task's data file; raises `DataError` if it is missing."""
    path = workspace.inside(section.data)
    if not path.is_file():
        tracked = path.with_name(f"{path.name}.dvc").exists()
        raise DataError(
            f"{section.data} is not there",
            rule="each task has a data file in the workspace",
            remedy="`dvc pull` brings it" if tracked else "put it there and `dvc add` it",
        )
    return path


def named_files(section: Task) -> tuple[str, ...]:
    """The names of all files of the workspace that a task's section names, but its base's."""
    own = (*section.evaluate.prompts.values(), *section.evaluate.answers.values())
    rubric = section.gate.judge.rubric if section.gate.judge else None
    return tuple(filter(None, (section.data, section.schema, section.prompt, rubric, *own)))


def read_schema(workspace: Workspace, section: Task) -> Any:
    """The task's JSON Schema (2020-12) as a JSON value, or None where it has none."""
    if section.schema is None:
        return None
    return parse_schema(workspace.inside(section.schema), section.schema)


def parse_schema(path: Path, name: str) -> Any:
    """Read and check a JSON Schema file; `name` is its name in messages.

    Raises:
        DataError: it is not one, or has a reference that leads outside it: nothing is fetched.
    """
    try:
        schema = json.loads(_text(path, name))
        validator_of(schema)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"{name} is not a JSON Schema: {error}",
            rule="`schema` names a file with a JSON Schema of draft 2020-12",
            remedy="correct the file, or remove `schema` from the task in params.yaml",
        ) from error
    return schema


def read_prompt(workspace: Workspace, section: Task) -> str:
    """The task's long instruction prompt; empty where it has none."""
    if section.prompt is None:
        return ""
    return parse_prompt(workspace.inside(section.prompt), section.prompt)


def read_prompts(root: Path, policy: Evaluate) -> dict[str, str]:
    """The texts of `evaluate.prompts`, by the name of their baseline; `root` is the workspace.

    Raises:
        DataError: as `parse_prompt`, or a file says nothing.
    """
    found = {}
    for name, file in policy.prompts.items():
        place = Workspace(root).inside(file)
        found[name] = parse_prompt(place, file, key=f"evaluate.prompts.{name}")
        if not found[name]:
            raise DataError(
                f"{file} is empty",
                rule=f"`evaluate.prompts.{name}` names a prompt that must be beaten",
                remedy="write the prompt into it, or remove the name from params.yaml",
            )
    return found


def read_rubric(root: Path, section: Task) -> str:
    """By what the task's judge compares answers; empty where it has none.

    Raises:
        DataError: as `parse_prompt`, or the file says nothing.
    """
    if section.gate.judge is None:
        return ""
    file = section.gate.judge.rubric
    text = parse_prompt(Workspace(root).inside(file), file, key="gate.judge.rubric")
    if not text:
        raise DataError(
            f"{file} is empty",
            rule="`gate.judge.rubric` says which of two answers is better",
            remedy="write into it what people should look at, too",
        )
    return text


def parse_prompt(path: Path, name: str, *, key: str = "prompt") -> str:
    """Read a file with a long prompt; raises `DataError` if it is no text, or has a private key."""
    try:
        return _text(path, name).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{name} cannot be read: {error}",
            rule=f"`{key}` names a UTF-8 text file",
            remedy=f"correct the file, or remove `{key}` from the task in params.yaml",
        ) from error


def _text(path: Path, name: str) -> str:
    data = path.read_bytes()
    if holds_private_key(data):
        raise DataError(
            f"{name} holds a private key",
            rule="a task's files are copied, tracked and sent on: a secret does not stay one",
            remedy="name the file that was meant, and make a new key if this one was ever tracked",
        )
    return data.decode("utf-8")
