"""What a look is reserved for: the registry asks it, the evaluation checks that it is the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from pawl.config.code_digest import scoring_code
from pawl.config.schema import Evaluate, as_json
from pawl.config.user_functions import function_digest
from pawl.core.alpha_budget import gate_split_id, unspent
from pawl.core.files import digest_file, digest_json, read_lines
from pawl.core.records import (
    BaseInfo,
    Champion,
    HeldOutRow,
    SplitReport,
    read_record,
    read_rows,
    to_json,
)
from pawl.errors import DataError
from pawl.model.adapter import read_adapter
from pawl.model.base import base_info
from pawl.workspace.paths import TaskFiles, Workspace
from pawl.workspace.task_inputs import data_file, read_prompt, read_schema

# A new time of day asks no new question.
NOT_ASKED = ("schedule",)


def evaluation_fingerprint(workspace: Workspace, task: str, champion: Champion) -> str:
    """Digest of all that the judgement of the adapter in `build/` depends on.

    Whatever is left out could be changed and judged again for free, until luck or a weakened
    baseline lets the candidate through.

    Raises:
        AdapterError: the candidate's bytes are not what its manifest says.
        DataError: a stage before has not left its record.
    """
    section, files = workspace.task(task), workspace.files(task)
    base = read_record(files.base, BaseInfo)
    asked: dict[str, Any] = {
        "candidate": read_adapter(files.adapter, base=base.digest).digest,
        "champion": to_json(champion),
        "splits": to_json(read_record(files.splits / "manifest.json", SplitReport)),
        "barred": _barred(task, files),
        "inputs": {path.name: _digest(path) for path in (files.schema, files.prompt)},
        "gate": as_json(section.gate),
        "evaluate": as_json(section.evaluate),
        "base": base.digest,
        "named": scoring_inputs(section.evaluate, workspace.root),
    }
    return digest_json(asked)


def scoring_inputs(policy: Evaluate, root: Path) -> dict[str, dict[str, str]]:
    """What the scores depend on beside parameters, rows and the task's own base, by digest.

    The task's own scorers with what they import, other bases, and Pawl's code that scores.

    Raises:
        ParamsError: there is no such scorer.
        BaseError: there is no such base.
    """
    return {
        "scorers": {name: function_digest(at, root) for name, at in policy.scorers.items()},
        "bases": {name: base_info(base, root).digest for name, base in policy.bases.items()},
        "code": scoring_code(),
    }


def _barred(task: str, files: TaskFiles) -> list[str]:
    """Gate rows that no budget of this lineage may judge on, by key.

    Rows that another salt has since held out leave the judged ones: another question. The look's
    own rows are known afterwards but are not barred by it, so that asking again changes nothing.
    """
    kind = TypeAdapter(HeldOutRow)
    known = map(
        kind.validate_python,
        read_lines(files.held_out_register) if files.held_out_register.is_file() else (),
    )
    salt = read_record(files.splits / "manifest.json", SplitReport).salt
    gate = read_rows(files.splits / "gate.jsonl")
    kept = {row.key for row in unspent(gate, known, lineage=gate_split_id(task, salt), since=1)}
    return sorted({row.key for row in gate} - kept)


def _digest(path: Path) -> str:
    if not path.is_file():
        raise DataError(
            f"{path} is not there",
            rule="a look's question names the schema and the long prompt by content",
            remedy="run the stage `inputs` first: `pawl run` and `dvc repro` do",
        )
    return digest_file(path)


def cycle_fingerprint(workspace: Workspace, task: str, *, accepted: Sequence[str]) -> str:
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
            "named": scoring_inputs(section.evaluate, workspace.root),
        }
    )
