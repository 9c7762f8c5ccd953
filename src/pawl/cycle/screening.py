"""The screen before a look is spent: candidate and champion on dev, by the stages themselves."""

from __future__ import annotations

from pawl.core.files import write_json
from pawl.core.records import BaseInfo, Champion, Verdict, read_record
from pawl.cycle.progress import timed
from pawl.gate.screen import EFFECT, SCREEN
from pawl.ledger.looks import paid_look
from pawl.model.adapter import read_adapter
from pawl.store.client import Store
from pawl.store.live_run import shown_live
from pawl.workspace.paths import Workspace
from pawl.workspace.stages import reproduce

SECONDS = 4 * 3600.0


def screened_out(workspace: Workspace, store: Store, task: str) -> bool:
    """Whether dev speaks against the candidate in `build/`, so that no look is to be spent.

    The evaluation then has no look and ends in the screen's verdict. What it answers on dev is
    kept (but where answers are sealed or timed), so that a candidate that passes costs the loading
    of its base once more. Across bases nothing is screened.
    """
    files, policy = workspace.files(task), workspace.task(task).gate
    champion = read_record(files.champion / "champion.json", Champion)
    if policy.screen is None or champion.version is None or paid_look(workspace, store, task):
        return False
    current = read_adapter(files.champion / "adapter").base.digest
    if current != read_record(files.base, BaseInfo).digest:
        return False
    write_json(files.look, {"look": None})
    with timed(workspace, task, "screen on dev"), shown_live(workspace, task):
        reproduce(workspace, "gate", task, timeout=SECONDS)
    return not {SCREEN, EFFECT}.isdisjoint(read_record(files.verdict, Verdict).failed)
