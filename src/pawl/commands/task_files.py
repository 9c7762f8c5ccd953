"""The files of a new task: copied to `data/`, and taken away again where that fails."""

from __future__ import annotations

import shutil
from pathlib import Path

from pawl.commands.sources import Sources
from pawl.core.files import write_text
from pawl.data.read.formats import data_format
from pawl.errors import UsageError
from pawl.workspace.paths import Workspace
from pawl.workspace.task_inputs import parse_prompt, parse_schema


def task_files(task: str, sources: Sources, workspace: Workspace) -> dict[Path, Path]:
    """The files to copy, by target; one that is already at its place is not."""
    # Data that was never pulled: its pointer alone is there.
    pointer = workspace.root / f"{data_name(task, sources)}.dvc"
    if pointer.exists() or pointer.is_symlink():
        raise taken(f"data/{pointer.name}")
    named = {
        data_name(task, sources): sources.file,
        f"data/{task}.schema.json": sources.schema,
        f"data/{task}.prompt.md": sources.prompt,
    }
    copies: dict[Path, Path] = {}
    for name, source in named.items():
        if source is None:
            continue
        if not source.is_file():
            rule = "a task is made from files that exist"
            raise UsageError(f"{source} is not there", rule=rule, remedy="correct the path")
        target = workspace.inside(name)
        if target.is_symlink() or (target.exists() and not target.samefile(source)):
            raise taken(name)
        if not target.exists():
            copies[target] = source
    if sources.schema:
        parse_schema(sources.schema, str(sources.schema))
    if sources.prompt:
        parse_prompt(sources.prompt, str(sources.prompt))
    return copies


def data_name(task: str, sources: Sources) -> str:
    """The rows' file in the workspace; its ending names the format."""
    return f"data/{task}{data_format(sources.file.name)}"


def taken(found: str) -> UsageError:
    return UsageError(
        f"{found} exists already",
        rule="`pawl new` never overwrites",
        remedy="choose another name, or change the task's section in params.yaml",
    )


def copy(source: Path, target: Path, made: list[Path]) -> None:
    """Copy a file to a place where nothing is, and remember that it was made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as file:
        try:
            made_file = target.open("xb")
        except FileExistsError as error:
            raise taken(str(target)) from error
        made.append(target)
        with made_file:
            shutil.copyfileobj(file, made_file)


def put_back(path: Path, before: bytes | None) -> None:
    """Undo what DVC wrote to its `.gitignore`."""
    if before is None:
        path.unlink(missing_ok=True)
    elif path.read_bytes() != before:
        write_text(path, before.decode("utf-8"))
