"""Fingerprints: digests of everything that a result depends on, so that it is computed once.

The cycle fingerprint is taken before anything is computed and finds a stored cycle. The evaluation
fingerprint is taken of a trained adapter: a look at the gate rows is reserved for it, and the
evaluation checks that it is still the same. An input that is left out of one could be changed
without a new training, or judged again for free until luck lets the candidate through.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pawl.config.code_digest import scoring_code, without_moves
from pawl.config.judging import Evaluate, Gate
from pawl.config.schema import Check, Task, Train, as_json
from pawl.config.user_functions import function_digest
from pawl.core.alpha_budget import gate_split_id, unspent
from pawl.core.files import digest_file, digest_json
from pawl.core.records import BaseInfo, Champion, SplitReport, to_json
from pawl.core.records.io import read_held_out_rows, read_record, read_rows
from pawl.errors import DataError
from pawl.model.adapter import read_adapter
from pawl.model.base import base_info
from pawl.workspace.paths import TaskFiles, Workspace
from pawl.workspace.task_inputs import (
    data_file,
    read_prompt,
    read_prompts,
    read_rubric,
    read_schema,
)

# Keys of `check`, `train`, `evaluate` and `gate` that 0.1 did not have.
SINCE_0_1 = (
    *("schedule", "warmup", "weight_decay", "betas", "max_grad_norm"),
    *("evaluations", "keep", "patience", "start", "baselines"),
    *("drop_long", "columns", "turns"),
    *("screen", "prompts", "pairs", "schema_decoding"),
    *("approval", "approvals", "approval_hours"),
    *("answers", "matches"),
)


def cycle_fingerprint(workspace: Workspace, task: str, *, accepted: Sequence[str]) -> str:
    """Digest of everything that a cycle of `task` depends on, before any of it is computed.

    The champion is left out: after a rollback by hand, the next scheduled run must not promote the
    same adapter again. `accepted` are the relabels so far, by id: they change held-out answers.

    Raises:
        DataError: a file that `params.yaml` names is missing or unreadable.
        BaseError: the base is missing.
    """
    section = workspace.checked_task(task)
    params = as_json(section)
    del params["schedule"]  # the time of a run does not change its result
    for name in ("check", "train", "evaluate", "gate"):
        params[name] = _as_in_0_1(getattr(section, name))
    return digest_json(
        {
            "params": params,
            "data": digest_file(data_file(workspace, section)),
            "base": to_json(base_info(section.base, workspace.root)),
            "schema": read_schema(workspace, section),
            "prompt": read_prompt(workspace, section),
            "accepted": list(accepted),
            "named": scoring_inputs(
                section, workspace.root, schema=_held_schema(workspace, section)
            ),
        }
    )


def evaluation_fingerprint(workspace: Workspace, task: str, champion: Champion) -> str:
    """Digest of everything that the verdict on the adapter in `build/` depends on.

    Raises:
        AdapterError: the candidate's bytes are not those of its manifest.
        DataError: the record of an earlier stage is missing.
    """
    section, files = workspace.task(task), workspace.files(task)
    base = read_record(files.base, BaseInfo)
    return digest_json(
        {
            "candidate": read_adapter(files.adapter, base=base.digest).digest,
            "champion": to_json(champion),
            "splits": to_json(read_record(files.splits / "manifest.json", SplitReport)),
            "barred": _excluded_gate_rows(task, files),
            "inputs": {path.name: _digest(path) for path in (files.schema, files.prompt)},
            "gate": _as_in_0_1(section.gate),
            "evaluate": _as_in_0_1(section.evaluate),
            "base": base.digest,
            **_prompted(base),
            "named": scoring_inputs(
                section, workspace.root, schema=_held_schema(workspace, section)
            ),
        }
    )


def scoring_inputs(section: Task, root: Path, *, schema: Any = None) -> dict[str, dict[str, str]]:
    """What scores depend on beside parameters, rows and the task's own base.

    These are digests of the task's own scorers with what they import, of further bases, and of
    Pawl's scoring code, and, if there are any, of the files of answers that were kept, and the
    texts of `evaluate.prompts`, of a judge's rubric and of the `schema` that decoding is held to:
    its fields are written in its order, which sorted JSON loses.

    Raises:
        ParamsError: there is no such scorer.
        BaseError: there is no such base.
        DataError: a prompt, the rubric or a file of answers cannot be read.
    """
    policy = section.evaluate
    prompts, rubric = read_prompts(root, policy), read_rubric(root, section)
    return {
        **({"prompts": prompts} if prompts else {}),
        **({"judge": {"rubric": rubric}} if rubric else {}),
        **({"answers": _files(root, policy.answers)} if policy.answers else {}),
        **({"held": {"schema": json.dumps(schema)}} if policy.schema_decoding != "none" else {}),
        "scorers": {name: function_digest(one.function, root) for name, one in policy.own.items()},
        "bases": {name: base_info(base, root).digest for name, base in policy.bases.items()},
        "code": without_moves(scoring_code()),
    }


def _files(root: Path, names: Mapping[str, str]) -> dict[str, str]:
    return {name: _digest(Workspace(root).inside(file)) for name, file in names.items()}


def _held_schema(workspace: Workspace, section: Task) -> Any:
    held = section.evaluate.schema_decoding != "none"
    return read_schema(workspace, section) if held else None


def scorer_code(policy: Evaluate, root: Path) -> dict[str, str]:
    """Digest of each of the task's own scorers: its code, all that it imports, and its range.

    Raises:
        ParamsError: there is no such scorer.
    """
    return {
        name: digest_json([function_digest(one.function, root), one.worst, one.best])
        for name, one in policy.own.items()
    }


def _as_in_0_1(section: Check | Train | Evaluate | Gate) -> dict[str, Any]:
    """The section without the keys that 0.1 had not, where they say what 0.1 did.

    A new version of Pawl is no reason to train again what was judged.
    """
    default = as_json(type(section)())
    return {
        key: value
        for key, value in as_json(section).items()
        if key not in SINCE_0_1 or value != default[key]
    }


def _prompted(base: BaseInfo) -> dict[str, Any]:
    """What the base's chat template is given; nothing for most, whose fingerprints stay."""
    given = {"template": base.template, "clock": base.clock}
    return {name: value for name, value in given.items() if value}


def _excluded_gate_rows(task: str, files: TaskFiles) -> list[str]:
    """Keys of gate rows that no budget of this gate split may judge on.

    A row that another salt has since held out is no longer judged, which changes the verdict. The
    rows of the look itself are registered afterwards but stay judged: repeating it changes nothing.
    """
    register = files.held_out_register
    held_out = read_held_out_rows(register) if register.is_file() else []
    salt = read_record(files.splits / "manifest.json", SplitReport).salt
    gate = read_rows(files.splits / "gate.jsonl")
    judged = unspent(gate, held_out, split_id=gate_split_id(task, salt), since=1)
    return sorted({row.key for row in gate} - {row.key for row in judged})


def _digest(path: Path) -> str:
    if not path.is_file():
        raise DataError(
            f"{path} is not there",
            rule="a fingerprint includes the schema, the long prompt, and answers that were kept",
            remedy="put there what params.yaml names; the others are made by the stage `inputs`, "
            "which `pawl run` and `dvc repro` run",
        )
    return digest_file(path)
