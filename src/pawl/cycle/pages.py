"""What people see of a cycle in Prefect: the name of its state, and its pages."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from pawl.core.records import Cycle
from pawl.core.visible import visible
from pawl.data.report.check_summary import read_check, summary_text
from pawl.report.markdown import check_page, cycle_page
from pawl.store.addresses import web_address
from pawl.workspace.names import artifact_key, shared_name, workspace_name
from pawl.workspace.paths import Workspace

# What Prefect shows where it would say "Completed" of a cycle that released nothing, too.
OUTCOMES = {
    "promote": "Promoted",
    "reject": "Rejected",
    "inconclusive": "Inconclusive",
    "unchanged": "Unchanged",
    "invalid": "Invalid data",
    "waiting": "Waiting for review",
}


class Page(NamedTuple):
    """A markdown page about a cycle: its key (unique on a server), one sentence, the text."""

    key: str
    description: str
    markdown: str


def outcome(cycle: Cycle) -> tuple[str, str]:
    """The name of the state that a run with this cycle ends in, and a message."""
    champion = cycle.champion.label("none yet")
    why = cycle.reasons[0] if cycle.reasons else "no reason was recorded"
    return OUTCOMES[cycle.verdict], visible(f"champion: {champion}; {why}")


def pages(workspace: Workspace, cycle: Cycle) -> list[Page]:
    """Return what people read about a cycle: its verdict, and its data check if one was run."""
    task = cycle.task
    named = workspace_name(workspace)
    key, model = partial(artifact_key, named, task=task), shared_name(named, task)
    text = cycle_page(cycle, mlflow=web_address(workspace.tracking_uri), model=model)
    found = [Page(key(kind="cycle"), f"{task}: {OUTCOMES[cycle.verdict]}", text)]
    if (report := read_check(workspace, task)) is not None:
        found.append(Page(key(kind="data"), summary_text(report), check_page(report)))
    return found
