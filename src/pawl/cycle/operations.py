"""What the flows around the cycle do: release by hand, verify all, find new data.

A workspace's `flows/operate.py` imports this module and nothing else of Pawl but its errors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pawl.core.files import digest_md5
from pawl.core.records import read_record, write_record
from pawl.core.records.commands import Check
from pawl.cycle.approved import given_name
from pawl.cycle.steps import Page, find_workspace
from pawl.errors import PawlError, UsageError
from pawl.ledger.state import read_state
from pawl.publish.publish import publish_release
from pawl.release.release import promote, rollback
from pawl.release.verify import each_check
from pawl.report.markdown import checks_page
from pawl.store.client import Store, open_store
from pawl.workspace.names import artifact_key, workspace_name
from pawl.workspace.paths import Workspace
from pawl.workspace.prefect_automations import CHANGED, task_resource


@dataclass(frozen=True)
class Verified:
    """What `verify` found: a sentence, a page, and how many checks are off."""

    message: str
    page: Page
    off: int


@dataclass(frozen=True)
class Watched:
    """The md5 of a task's data as it was last seen, and that which a cycle was last started for."""

    seen: str
    started: str


@dataclass(frozen=True)
class NewData:
    """A version of a task's data that has settled; `told` notes that its cycle was started."""

    task: str
    md5: str
    event: str
    resource: dict[str, str]
    told: Callable[[], None]


def release(
    task: str,
    action: Literal["promote", "rollback"],
    *,
    reason: str,
    who: str,
    version: int | None = None,
    override: bool = False,
) -> str:
    """Change a task's champion, publish it, and return what was done, also where callers lag.

    Raises:
        UsageError: nobody is named, or the release is refused; other errors as of `pawl promote`.
    """
    workspace = find_workspace()
    workspace.task(task)
    store, by = open_store(workspace), given_name(who)
    if action == "rollback":
        entry = rollback(workspace, store, task, why=reason, who=by, to=version)
    elif version is None:
        raise UsageError(
            "no version is named",
            rule="a promotion is of one version",
            remedy="type it in `version`",
        )
    else:
        entry = promote(workspace, store, task, version, why=reason, who=by, override=override)
    now = entry.new.version if entry.new else "none"
    said = f"{entry.kind}: champion is version {now} now (ledger entry {entry.number})"
    try:
        publish_release(workspace, store, task)
    except PawlError as error:
        return f"{said}; {error}"
    return said


def verify(log: Any) -> Verified:
    """Check the champion of every task that has one; what is off is told to the run's logger."""
    workspace = find_workspace()
    store = open_store(workspace)
    found = {task: _checks(workspace, store, task) for task in workspace.params().tasks}
    off = 0
    for task, checks in found.items():
        for check in checks:
            if not check.ok:
                off += 1
                log.error("%s: %s: %s; %s", task, check.name, check.found, check.remedy)
    count = sum(map(len, found.values()))
    message = f"{off} of {count} checks are off" if off else f"{count} checks hold"
    key = artifact_key(workspace_name(workspace), "verify", "all")
    return Verified(message, Page(key, message, checks_page(found)), off)


def changed_data() -> list[NewData]:
    """The tasks, of those started by new data, whose data was new at the last look and still is.

    So a delivery in parts, or several in a row, start one cycle: the look after the last of them.
    """
    workspace, found = find_workspace(), []
    params = workspace.params()
    for name, task in params.tasks.items():
        if not (task.schedule and task.schedule.on_change):
            continue
        path = workspace.inside(task.data)
        if not path.is_file():
            continue  # a cycle would say so; there is nothing to start one for
        notes, now = workspace.home / "watch" / f"{name}.json", digest_md5(path)
        before = _noted(notes)
        if before is None:
            # The first look: what is there is no news.
            write_record(notes, Watched(now, now))
        elif before.seen != now:
            write_record(notes, Watched(now, before.started))
        elif before.started != now:
            told = partial(write_record, notes, Watched(now, now))
            resource = {"prefect.resource.id": task_resource(params.name, name)}
            found.append(NewData(name, now, CHANGED, resource, told))
    return found


def _checks(workspace: Workspace, store: Store, task: str) -> list[Check]:
    try:
        if read_state(store, task).champion.version is None:
            return []
        return list(each_check(workspace, store, task))
    except PawlError as error:
        return [Check("record", False, error.found, error.remedy)]


def _noted(path: Path) -> Watched | None:
    try:
        return read_record(path, Watched)
    except (OSError, PawlError):
        return None
