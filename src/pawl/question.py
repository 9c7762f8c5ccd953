"""What a look is reserved for: the registry asks it, the evaluation checks that it is the same."""

from __future__ import annotations

from typing import Any

from pawl.adapter import read_adapter
from pawl.files import digest_json
from pawl.params import as_json
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
    }
    return digest_json(asked)
