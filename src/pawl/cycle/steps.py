"""The steps of one cycle, in the order in which the flow `retrain` composes them.

A workspace's flow imports this module and nothing else of Pawl but its errors, so that a new
version of Pawl can move what lies below without a change of anybody's flow.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from pawl.core.records import Cycle, to_json
from pawl.cycle.approved import approved, approved_cycle
from pawl.cycle.champion_profile import snapshot_profile
from pawl.cycle.conclude import conclude, deliver_outbox
from pawl.cycle.outbox import begin, end, waiting_error
from pawl.cycle.pages import Page, outcome, pages
from pawl.cycle.progress import telling, timed
from pawl.cycle.progress import training_told as told
from pawl.cycle.publishing import publish_champion, published
from pawl.cycle.screening import screened_out
from pawl.cycle.snapshots import snapshot_ancestor, snapshot_champion, snapshot_held_out
from pawl.cycle.unjudged import conclude_invalid, conclude_unchanged, find_cached_version
from pawl.data.versions.dvc_versions import tracked_md5
from pawl.errors import DataError, PawlError, PublishError, RegistryError
from pawl.evaluate.judge import refuse_absent_judge
from pawl.evaluate.worth import read_worth
from pawl.ledger.keys import signing_key
from pawl.ledger.looks import paid_look, refuse_without_look, reserve_look
from pawl.ledger.provenance import author
from pawl.ledger.state import undoubted_state
from pawl.store.client import open_store
from pawl.store.live_run import shown_live
from pawl.train.ancestor import find_ancestor
from pawl.workspace.fingerprints import cycle_fingerprint
from pawl.workspace.lock import workspace_lock
from pawl.workspace.paths import Workspace, find_workspace
from pawl.workspace.prefect_runs import refuse_crash_loop, refuse_superseded, skip_late_runs
from pawl.workspace.stages import reproduce

__all__ = [
    "Cycle",
    "Page",
    "Workspace",
    "approved",
    "approved_cycle",
    "check_and_split",
    "evaluate_and_gate",
    "find_cached_result",
    "find_workspace",
    "fingerprint_inputs",
    "flush_outbox",
    "is_retryable",
    "mark_ended",
    "mark_trained",
    "outcome",
    "pages",
    "publish_champion",
    "published",
    "record_invalid_data",
    "register_and_release",
    "run_name",
    "snapshot_and_reserve",
    "snapshot_history",
    "to_json",
    "train",
    "turn",
    "waiting_error",
    "workspace_lock",
]


@contextmanager
def turn(workspace: Workspace, log: Any) -> Iterator[None]:
    """Within this, no other cycle runs here, and what this one does is told to a run's logger.

    Started by Prefect's server, it also does the work of the runs of this task that are late, and
    those are skipped. Raises `PawlError` where it only crashes, again and again.
    """
    refuse_crash_loop()
    for name in skip_late_runs():
        log.info("%s was due meanwhile: this run does its work", name)
    waiting = partial(log.warning, "another cycle runs here: this one waits for its end")
    with telling(log.info), workspace_lock(workspace, waiting=waiting):
        yield


def run_name(task: str, **_: Any) -> str:
    """The name of a run: the task, and the version of its data as `pawl data log` names it."""
    try:
        workspace = find_workspace()
        md5 = tracked_md5(workspace, workspace.task(task).data)
    except (PawlError, OSError):
        # The run itself says what is wrong.
        md5 = None
    return f"{task} · data {md5[:12]}" if md5 else task


def fingerprint_inputs(workspace: Workspace, task: str) -> str:
    """Return the digest of all that this cycle depends on; the same digest needs no new cycle."""
    accepted = undoubted_state(open_store(workspace), task).accepted
    # Without a key nothing can be recorded, hours later.
    signing_key(workspace)
    return cycle_fingerprint(workspace, task, accepted=accepted)


def flush_outbox(workspace: Workspace, task: str, fingerprint: str) -> Cycle | None:
    """Register what waits in the outbox; return the cycle with this fingerprint if it was there.

    Where a candidate waits for people to compare its answers, that is the cycle: the next one would
    train over it, and ask them again. One that waits to be approved is registered, and stays.
    """
    delivered = deliver_outbox(workspace, open_store(workspace), task)
    waiting = [cycle for _, cycle in delivered if cycle.verdict == "waiting"]
    if compared := [cycle for cycle in waiting if cycle.candidate.version is None]:
        return compared[-1]
    return {found: cycle for found, cycle in delivered if not cycle.stale}.get(fingerprint)


def find_cached_result(workspace: Workspace, task: str, fingerprint: str) -> Cycle | None:
    """Return the result of an earlier cycle with the same fingerprint, None if there is none."""
    store = open_store(workspace)
    version = find_cached_version(store, task, fingerprint)
    return None if version is None else conclude_unchanged(workspace, store, version)


def snapshot_history(workspace: Workspace, task: str) -> None:
    """Leave in `build/` what the stages up to the training read of the record.

    The champion, which the preflight looks at, and once more if the training begins with it; the
    champion's data profile; the held-out rows of earlier looks.
    """
    store = open_store(workspace)
    snapshot_champion(workspace, store, task)
    snapshot_held_out(workspace, store, task)
    snapshot_profile(workspace, store, task)
    snapshot_ancestor(workspace, store, task)


def check_and_split(workspace: Workspace, task: str, *, timeout: float) -> None:
    """Check and split the data; fail now on what the judgement would fail on later."""
    with timed(workspace, task, "check and split"), shown_live(workspace, task):
        # Not a stage: that a server answered yesterday says nothing.
        refuse_absent_judge(workspace, task)
        reproduce(workspace, "preflight", task, timeout=timeout)
        refuse_without_look(workspace, open_store(workspace), task)
        find_ancestor(workspace, task)


def train(workspace: Workspace, task: str, *, timeout: float, force: bool = False) -> None:
    """Train the candidate, shown in MLflow as it goes on; `force`: even if nothing changed."""
    with timed(workspace, task, "train"), told(workspace, task), shown_live(workspace, task):
        reproduce(workspace, "train", task, timeout=timeout, force=force)


def mark_trained(workspace: Workspace, task: str, fingerprint: str) -> None:
    """Note that a candidate waits for its verdict, so that `pawl resume` goes on from here."""
    begin(workspace, task, fingerprint)


def snapshot_and_reserve(workspace: Workspace, task: str) -> None:
    """Leave the champion and one reserved use of the gate split as files for the evaluation.

    No use is reserved where dev already speaks against the candidate (`gate.screen`), or where a
    judge that will be asked does not answer.
    """
    refuse_superseded()
    store = open_store(workspace)
    snapshot_champion(workspace, store, task)
    if not screened_out(workspace, store, task):
        if paid_look(workspace, store, task) is None:
            refuse_absent_judge(workspace, task)
        reserve_look(workspace, store, task)


def evaluate_and_gate(workspace: Workspace, task: str, *, timeout: float) -> None:
    """Score candidate, champion and baselines on the same rows and derive the verdict."""
    with timed(workspace, task, "evaluate and gate"), shown_live(workspace, task):
        reproduce(workspace, "gate", task, timeout=timeout)


def register_and_release(
    workspace: Workspace, task: str, fingerprint: str, notes: tuple[str, ...] = ()
) -> Cycle:
    """Register the candidate in MLflow and, on the verdict `promote`, release it.

    Raises `PawlError` in a run that Prefect has given up meanwhile.
    """
    refuse_superseded()
    return conclude(
        workspace,
        open_store(workspace),
        task,
        question=fingerprint,
        who=author(workspace),
        why="the gate promoted it",
        worth=read_worth(workspace, task),
        notes=notes,
    )


def record_invalid_data(
    workspace: Workspace, task: str, error: DataError, fingerprint: str | None
) -> Cycle:
    """Record that the data was not fit to train on; the champion stays."""
    store = open_store(workspace)
    return conclude_invalid(workspace, store, task, error=error, question=fingerprint)


def mark_ended(workspace: Workspace, task: str) -> None:
    """Note that the cycle has come to its end: `pawl resume` has nothing to go on with."""
    end(workspace, task)


def is_retryable(_task: object, _run: object, state: Any) -> bool:
    """Whether another attempt may succeed: network errors yes, what the user must mend no."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, RegistryError | PublishError) or not isinstance(error, PawlError)
