"""The pipeline's external inputs as files: the champion's snapshot and the reserved look."""

from __future__ import annotations

from pawl.core.files import whole_folder, write_json
from pawl.core.records import Champion, write_record
from pawl.workspace.paths import Workspace


def external_inputs(workspace: Workspace, task: str) -> None:
    """Leave the flow's snapshot as it is; without one write "no champion" and "no look".

    Without a reserved look only dev is scored, so that running DVC directly never uses gate rows.
    """
    files = workspace.files(task)
    if not (files.champion / "champion.json").exists():
        with whole_folder(files.champion) as folder:
            write_record(folder / "champion.json", Champion())
    if not files.look.exists():
        write_json(files.look, {"look": None})
