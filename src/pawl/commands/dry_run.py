"""`pawl run --dry-run`: what a cycle would do now; nothing is run and nothing is reserved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pawl.commands.review import review_status
from pawl.commands.run import fingerprint_now
from pawl.commands.status import fresh_rows, looks_left
from pawl.cycle.outbox import waiting_orders
from pawl.cycle.progress import durations
from pawl.cycle.reviewed import awaited_review
from pawl.cycle.unjudged import find_cached_version
from pawl.ledger.budget_status import task_budget_status
from pawl.ledger.state import undoubted_state
from pawl.report.dry_run import DryRun, StageAhead
from pawl.store.client import Store
from pawl.workspace.dvc_calls import open_dvc
from pawl.workspace.paths import Workspace

# The steps of a cycle that take time, and DVC's stages of each.
STEPS = {
    "check and split": ("check", "split", "preflight"),
    "train": ("train",),
    "evaluate and gate": ("evaluate", "gate"),
}


def dry_run(workspace: Workspace, store: Store, task: str, *, force: bool) -> DryRun:
    """Say what `pawl run` would do.

    Raises:
        RegistryError: the store cannot be reached, or the ledger was altered.
        PawlError: DVC cannot say what has changed.
    """
    state = undoubted_state(store, task)
    waiting = len(waiting_orders(workspace, task))
    fingerprint = None if force or waiting else fingerprint_now(workspace, store, task)
    same = find_cached_version(store, task, fingerprint) if fingerprint else None
    budget = task_budget_status(workspace, store, state, task)
    fresh, blocked = fresh_rows(budget), None
    # Where no gate rows are in build/ yet, the split will tell.
    if budget.rows and budget.charge is None:
        blocked = f"it needs {fresh.needed} gate rows that none has scored, {fresh.there} are there"
    return DryRun(
        task=task,
        unchanged=same.version if same else None,
        waiting=waiting,
        stages=() if same else tuple(_ahead(workspace, task, force=force)),
        champion=state.champion.version,
        looks=looks_left(budget, workspace.task(task).gate),
        blocked=blocked,
        to_review=0 if force else _to_review(workspace, task),
    )


def _to_review(workspace: Workspace, task: str) -> int:
    if awaited_review(workspace, task) is None:
        return 0
    found = review_status(workspace, task)
    return found.pairs - found.labelled


def _ahead(workspace: Workspace, task: str, *, force: bool) -> Iterator[StageAhead]:
    with open_dvc(workspace) as repo:
        status = repo.status(targets=[f"gate@{task}"], with_deps=True)
    earlier, follows = durations(workspace, task), False
    for step, stages in STEPS.items():
        found = (status.get(f"{stage}@{task}", ()) for stage in stages)
        # People know what was made by its name, not by its folder.
        whys = [why.removeprefix(f"build/{task}/") for one in found for why in _changes(one)]
        if force and step == "train":
            whys = ["--force"]
        follows = follows or bool(whys)
        why = ", ".join(dict.fromkeys(whys)) or ("after it" if follows else "up to date")
        took = earlier.get(step) if follows else None
        yield StageAhead(step, why, (min(took), max(took)) if took else None)


def _changes(found: Any) -> Iterator[str]:
    """DVC's words on one stage: `{"changed deps": {"data/tickets.jsonl": "modified"}}` and such."""
    for one in found:
        if not isinstance(one, Mapping):
            continue  # "always changed", "changed command": no input of the user's
        for names in one.values():
            for name, what in names.items():
                # Of params.yaml, what changed in it.
                changes = what if isinstance(what, Mapping) else {name: what}
                yield from (f"{key} {word}" for key, word in changes.items())
