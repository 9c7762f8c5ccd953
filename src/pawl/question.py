"""What a look is reserved for: the registry asks it, the evaluation checks that it is the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pawl.adapter import read_adapter
from pawl.base import base_info
from pawl.files import digest_json
from pawl.functions import function_digest
from pawl.params import Evaluate, as_json
from pawl.records import BaseInfo, Champion, SplitReport, read_record, to_json
from pawl.workspace import Workspace


def look_question(workspace: Workspace, task: str, champion: Champion) -> str:
    """Digest of all that the judgement of the adapter in `build/` depends on.

    Raises:
        AdapterError: the candidate's bytes are not what its manifest says.
        DataError: a stage before has not left its record.
    """
    section, files = workspace.task(task), workspace.files(task)
    base = read_record(files.base, BaseInfo)
    asked: dict[str, Any] = {
        "candidate": read_adapter(files.adapter, base=base.digest).digest,
        "champion": to_json(champion),
        "splits": read_record(files.splits / "manifest.json", SplitReport).digests,
        "gate": as_json(section.gate),
        "evaluate": as_json(section.evaluate),
        "base": base.digest,
        "named": named(section.evaluate, workspace.root),
    }
    return digest_json(asked)


def named(policy: Evaluate, root: Path) -> dict[str, dict[str, str]]:
    """What `evaluate:` names beside the task's own base, by digest: scorers' files, other bases.

    Raises:
        ParamsError: there is no such scorer.
        BaseError: there is no such base.
    """
    return {
        "scorers": {name: function_digest(at, root) for name, at in policy.scorers.items()},
        "bases": {name: base_info(base, root).digest for name, base in policy.bases.items()},
    }
