"""What the world contributes to the graph, as files: the champion, and the reserved look."""

from __future__ import annotations

from pawl.core.files import whole_folder, write_json
from pawl.core.records import Champion, write_record
from pawl.workspace.paths import Workspace


def external_inputs(workspace: Workspace, task: str) -> None:
    """Keep the flow's snapshot; where it left none, write "no champion" and "no look".

    Without a reserved look only dev is scored, so no path around the flow judges for free.
    """
    files = workspace.files(task)
    if not (files.champion / "champion.json").exists():
        with whole_folder(files.champion) as folder:
            write_record(folder / "champion.json", Champion())
    if not files.look.exists():
        write_json(files.look, {"look": None})
