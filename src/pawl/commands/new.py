"""New workspaces and new tasks: `pawl init` and `pawl new`.

A task is data and a section of `params.yaml`; nothing else of a workspace changes for it.
"""

from __future__ import annotations

import io
import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.commands.init import MAKES
from pawl.config.load import parse_params
from pawl.config.schema import TASK_NAME, Params
from pawl.core.files import write_text
from pawl.core.processes import DVC, run
from pawl.core.records import BaseRef
from pawl.data.read.examples import read_examples
from pawl.data.read.formats import ending
from pawl.errors import ParamsError, UsageError
from pawl.model.base import context_length, find_base
from pawl.model.prompt import completion_tokens, prompt_tokens
from pawl.model.tokenizer import load_tokenizer
from pawl.workspace.paths import Workspace
from pawl.workspace.task_inputs import parse_schema

if TYPE_CHECKING:
    from pawl.core.records import Example

# Lengths are rounded up to this, so that a slightly longer row tomorrow still fits.
ROUND = 32
# Solved rows that the few-shot baseline is shown, where the base has room for them.
SHOTS = 4


@dataclass(frozen=True)
class Sources:
    """What a new task is made from, as the user named it.

    `drop_bad` is the share of rows that may be left out because they cannot be read.
    """

    data: Path
    schema: Path | None = None
    prompt: Path | None = None
    base: str | None = None
    drop_bad: float = 0.0


def new_task(workspace: Workspace, task: str, sources: Sources) -> dict[str, Any]:
    """Add a task: its files below `data/` (the rows tracked by DVC) and its params section.

    All is read and checked before anything is written; the section is written last.

    Returns:
        The section as written.
    """
    params = workspace.params()
    _free_name(task, sources, params, workspace)
    examples = read_examples(sources.data, str(sources.data), drop=sources.drop_bad).examples
    copies = _copies(task, sources)
    base = _base(sources.base, params, workspace)
    section = _section(task, sources, base, examples, workspace)
    text = _with_section(workspace.params_file.read_text(encoding="utf-8"), task, section)
    parse_params(text, workspace.params_file.name)
    try:
        for name, source in copies.items():
            (workspace.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, workspace.root / name)
        run(workspace.root, *DVC, "add", "--quiet", section["data"], **MAKES)
        write_text(workspace.params_file, text)
    except BaseException:
        for name in copies:
            (workspace.root / name).unlink(missing_ok=True)
        raise
    return section


def _section(
    task: str, sources: Sources, base: BaseRef, examples: Sequence[Example], workspace: Workspace
) -> dict[str, Any]:
    """A section whose lengths fit the rows, with the keys that people change most spelled out."""
    tokenizer = load_tokenizer(find_base(base, workspace.root))
    answers = [len(completion_tokens(tokenizer, e.completion)) for e in examples]
    rows = [
        len(prompt_tokens(tokenizer, e.messages)) + answer
        for e, answer in zip(examples, answers, strict=True)
    ]
    # Solved rows as long as the longest, and one to answer, must fit in the base's window.
    window = context_length(find_base(base, workspace.root))
    shots = max(0, min(SHOTS, (window - _rounded(max(answers))) // max(rows) - 1))
    section: dict[str, Any] = {"data": _place(task, sources)}
    if sources.schema:
        section["schema"] = f"data/{task}.schema.json"
    if sources.prompt:
        section["prompt"] = f"data/{task}.prompt.md"
    check: dict[str, Any] = {"min_rows": max(10, min(100, len(examples)))}
    if sources.drop_bad:
        check["drop_bad"] = sources.drop_bad
    return section | {
        "base": {"model": base.model, "revision": base.revision},
        "check": check,
        "split": {"salt": f"{task}-1", "dev": 0.08, "gate": 0.2},
        "train": {
            "rank": 16,
            "epochs": 6,
            "learning_rate": 0.002,
            "batch_size": 16,
            "max_length": _rounded(max(rows)),
        },
        "evaluate": {"shots": shots, "max_new_tokens": _rounded(max(answers))},
        "gate": {
            "metric": "exact_match",
            "alpha": 0.05,
            "looks": 20,
            "floors": {"exact_match": 0.1},
        },
    }


def _base(named: str | None, params: Params, workspace: Workspace) -> BaseRef:
    """The base named by the user, or the one that all tasks of the workspace share."""
    if named is None:
        shared = {(t.base.model, t.base.revision) for t in params.tasks.values()}
        if len(shared) != 1:
            raise UsageError(
                "no base was named",
                rule="a task is trained on one base",
                remedy="name a hub id or a local folder: `--base MODEL`",
            )
        model, revision = shared.pop()
        return BaseRef(model, revision)
    folder = Path(named)
    if folder.is_dir():
        folder = folder.resolve()
        inside = folder.is_relative_to(workspace.root)
        named = folder.relative_to(workspace.root).as_posix() if inside else str(folder)
    return BaseRef(named)


def _place(task: str, sources: Sources) -> str:
    """Where the rows go; the ending tells their format."""
    return f"data/{task}{ending(sources.data.name)}"


def _free_name(task: str, sources: Sources, params: Params, workspace: Workspace) -> None:
    if not TASK_NAME.match(task):
        raise UsageError(
            f"the task name '{task}'",
            rule=f"a task name matches {TASK_NAME.pattern}",
            remedy="use lower-case letters, digits, '-' and '_'",
        )
    if task in params.tasks or (workspace.root / _place(task, sources)).exists():
        raise UsageError(
            f"the task '{task}' (or {_place(task, sources)}) is there already",
            rule="`pawl new` never overwrites",
            remedy="choose another name, or change its section in params.yaml",
        )


def _copies(task: str, sources: Sources) -> dict[str, Path]:
    """Where each named file goes; each is read first, so that a bad one stops all."""
    copies = {_place(task, sources): sources.data}
    for path, name in ((sources.schema, "schema.json"), (sources.prompt, "prompt.md")):
        if path is None:
            continue
        if not path.is_file():
            raise UsageError(f"{path} is not there", remedy="name a file that exists")
        copies[f"data/{task}.{name}"] = path
    if sources.schema:
        parse_schema(sources.schema, str(sources.schema))
    return copies


def _with_section(text: str, task: str, section: dict[str, Any]) -> str:
    """`params.yaml` with the section added, comments and order kept."""
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap

    yaml = YAML()
    yaml.width = 100
    document = yaml.load(text)
    if not isinstance(document.get("tasks"), dict):
        raise ParamsError("params.yaml has no `tasks:` mapping", remedy="add `tasks: {}`")
    if not document["tasks"]:
        document["tasks"] = CommentedMap()
    # Through JSON, so that the section is plain values that round-trip writes in block style.
    document["tasks"][task] = json.loads(json.dumps(section))
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue()


def _rounded(length: int) -> int:
    return math.ceil(length * 1.1 / ROUND) * ROUND
