"""What a cycle starts from, by digest: the base, the schema, the long prompt, the data.

DVC runs `inputs` on every repro (it takes well under a second) because a base folder or a hub
cache can change without any file of the workspace changing; the stages after it run again only if
what it wrote differs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]  # has no types
from referencing import Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from pawl.base import base_info
from pawl.data.read import Rows, read_examples
from pawl.errors import DataError
from pawl.files import digest_file, digest_json, write_json, write_text
from pawl.functions import load_function
from pawl.params import Task, as_json
from pawl.question import named
from pawl.records import to_json, write_record
from pawl.workspace import Workspace

# A new time of day asks no new question.
NOT_ASKED = ("schedule",)


def inputs(workspace: Workspace, task: str) -> None:
    """Write `build/<task>/inputs/`: base.json (a `BaseInfo`), schema.json, prompt.md, named.json.

    The task's own scorers are imported here: what is wrong with them is said before any training.
    """
    section, files = workspace.checked_task(task), workspace.files(task)
    schema, prompt = read_schema(workspace, section), read_prompt(workspace, section)
    for function in section.evaluate.scorers.values():
        load_function(function, workspace.root)
    write_json(files.named, named(section.evaluate, workspace.root))
    write_record(files.base, base_info(section.base, workspace.root))
    write_json(files.schema, schema)
    write_text(files.prompt, prompt)


def question(workspace: Workspace, task: str, *, accepted: Sequence[str]) -> str:
    """Digest of everything that a cycle of `task` depends on, before any of it is computed.

    Two cycles with the same question need not both be run. The champion is no part of it: a
    rollback by hand must not make tonight's schedule promote the same adapter again. `accepted`
    names the relabels so far: once held-out answers have changed, an old verdict answers nothing.

    Raises:
        DataError: a file that `params.yaml` names is absent or unreadable.
        BaseError: the base is absent.
    """
    section = workspace.checked_task(task)
    asked = {k: v for k, v in as_json(section).items() if k not in NOT_ASKED}
    return digest_json(
        {
            "params": asked,
            "data": digest_file(data_file(workspace, section)),
            "base": to_json(base_info(section.base, workspace.root)),
            "schema": read_schema(workspace, section),
            "prompt": read_prompt(workspace, section),
            "accepted": list(accepted),
            "named": named(section.evaluate, workspace.root),
        }
    )


def data_file(workspace: Workspace, section: Task) -> Path:
    """The task's data file, known to exist."""
    path = workspace.inside(section.data)
    if not path.is_file():
        tracked = path.with_name(f"{path.name}.dvc").exists()
        raise DataError(
            f"{section.data} is not there",
            rule="each task has its data file in the workspace",
            remedy="`dvc pull` brings it" if tracked else "put it there and `dvc add` it",
        )
    return path


def task_rows(workspace: Workspace, section: Task) -> Rows:
    """The task's rows as its data file has them, those left out that `check.drop_bad` allows.

    Raises:
        DataError: the file is absent, damaged or empty, or more of its rows are bad.
    """
    path = data_file(workspace, section)
    return read_examples(path, section.data, drop=section.check.drop_bad)


def read_schema(workspace: Workspace, section: Task) -> Any:
    """The task's JSON Schema (2020-12) as a JSON value, or None where it has none."""
    if section.schema is None:
        return None
    return parse_schema(workspace.inside(section.schema), section.schema)


def parse_schema(path: Path, name: str) -> Any:
    """Read and check a JSON Schema file; `name` is how messages call it.

    Raises:
        DataError: it is none, or refers to what does not stand in it: nothing is fetched.
    """
    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
        Draft202012Validator.check_schema(schema)
        whole = DRAFT202012.create_resource(schema)
        _resolve(whole, REGISTRY.with_resource("", whole).resolver())
    except (OSError, ValueError, SchemaError, Unresolvable) as error:
        detail = error.message if isinstance(error, SchemaError) else error
        raise DataError(
            f"{name} is no JSON Schema: {detail}",
            rule="`schema` names a file with a JSON Schema of draft 2020-12",
            remedy="mend the file, or remove `schema` from the task in params.yaml",
        ) from error
    return schema


def _resolve(schema: Resource[Any], resolver: Any) -> None:
    """Look up every reference below a schema; raises `Unresolvable`."""
    resolver, value = resolver.in_subresource(schema), schema.contents
    for key in ("$ref", "$dynamicRef"):
        if isinstance(value, dict) and key in value:
            resolver.lookup(value[key])
    for part in schema.subresources():
        _resolve(part, resolver)


def read_prompt(workspace: Workspace, section: Task) -> str:
    """The task's long instruction prompt; empty where it has none."""
    if section.prompt is None:
        return ""
    try:
        return workspace.inside(section.prompt).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{section.prompt} cannot be read: {error}",
            rule="`prompt` names a UTF-8 text file",
            remedy="mend the file, or remove `prompt` from the task in params.yaml",
        ) from error
