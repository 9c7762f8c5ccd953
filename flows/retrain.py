"""The flow `retrain`: one cycle of one task. It only composes; DVC runs the stages.

Prefect owns what touches the world: when to run, what to try again, what to show. The rules are in
`pawl`, and this file belongs to the workspace: change the timeouts and retries to your machines.
"""

from __future__ import annotations

from typing import Any

from prefect import flow, get_run_logger
from prefect import task as step
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from pawl.core.records import Cycle, to_json
from pawl.cycle.champion_profile import snapshot_profile
from pawl.cycle.conclude import answered, catch_up, conclude, conclude_invalid, unchanged
from pawl.cycle.outbox import begin, end, waits
from pawl.cycle.snapshots import snapshot_champion, snapshot_held_out
from pawl.data.report.check_summary import read_check, verdict
from pawl.errors import DataError, PawlError, RegistryError
from pawl.evaluate.worth import read_worth
from pawl.ledger.looks import reserve_look
from pawl.ledger.provenance import author
from pawl.ledger.state import read_state
from pawl.release.keys import signing_key
from pawl.report.markdown import check_page, cycle_page
from pawl.store.client import open_store
from pawl.store.live_run import shown_live
from pawl.workspace.fingerprints import cycle_fingerprint
from pawl.workspace.lock import workspace_lock
from pawl.workspace.paths import Workspace, find_workspace
from pawl.workspace.stages import reproduce

HOUR = 3600.0
TIMEOUT = {"preflight": 4 * HOUR, "train": 12 * HOUR, "gate": 4 * HOUR}  # seconds a step


@flow(name="retrain", flow_run_name="{task}", persist_result=False)
def retrain(task: str, force: bool = False) -> dict[str, Any]:
    """Retrain one task's adapter, judge it, and release it if it is better.

    Returns the `Cycle` as JSON values. Data that is not fit ends in the verdict `invalid`, not in
    a failed run: that is an answer. `force` trains even if nothing changed.
    """
    workspace = find_workspace()
    log = get_run_logger()
    with workspace_lock(workspace, waiting=lambda: log.warning("another cycle runs here: waiting")):
        cycle = _cycle(workspace, task, force=force)
    log.info("%s: %s", task, "\n  ".join((cycle.verdict, *cycle.reasons)))
    name = task.replace("_", "-")
    said = f"{task}: {cycle.verdict}"
    create_markdown_artifact(cycle_page(cycle), key=f"cycle-{name}", description=said)
    if (found := read_check(workspace, task)) is not None:
        create_markdown_artifact(check_page(found), key=f"data-{name}", description=verdict(found))
    return to_json(cycle)


def _cycle(workspace: Workspace, task: str, *, force: bool) -> Cycle:
    asked = None
    try:
        asked = ask(workspace, task)
        waited = deliver_waiting(workspace, task, asked)
        if not force and (known := waited or recall(workspace, task, asked)) is not None:
            return known
        recollect(workspace, task)
        build(workspace, "preflight", task)
        build(workspace, "train", task, force=force)
        begin(workspace, task, asked)
        cycle = _judge(workspace, task, asked)
        if cycle.stale:
            # Once, against the champion of now; who replaces that one too has a cycle to start.
            cycle = _judge(workspace, task, asked, f"judged again: {cycle.reasons[0]}")
        end(workspace, task)
        return cycle
    except DataError as error:
        cycle = settle_invalid(workspace, task, error, asked)
        end(workspace, task)
        return cycle


def _judge(workspace: Workspace, task: str, asked: str, *notes: str) -> Cycle:
    try:
        prepare(workspace, task)
    except RegistryError as error:
        raise waits(task, error, judged=False) from error
    build(workspace, "gate", task)
    return settle(workspace, task, asked, notes)


def _worth_a_retry(_task: Any, _run: Any, state: Any) -> bool:
    """Whether a later attempt may end otherwise: the network yes, what the user must mend no."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, RegistryError) or not isinstance(error, PawlError)


world = step(
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=3,
    retry_delay_seconds=[2, 10, 60],
    retry_condition_fn=_worth_a_retry,
)


@world
def ask(workspace: Workspace, task: str) -> str:
    """What this cycle is about, as a digest."""
    # Without a key the release would fail, hours later.
    signing_key(workspace)
    accepted = read_state(open_store(workspace), task).accepted
    return cycle_fingerprint(workspace, task, accepted=accepted)


@world
def recall(workspace: Workspace, task: str, asked: str) -> Cycle | None:
    """The answer that this question got before, None if it is new."""
    store = open_store(workspace)
    version = answered(store, task, asked)
    return None if version is None else unchanged(workspace, store, version)


@world
def deliver_waiting(workspace: Workspace, task: str, asked: str) -> Cycle | None:
    """Register what waits in the outbox; the cycle of this question, None if there is none yet."""
    delivered = catch_up(workspace, open_store(workspace), task)
    return {known: cycle for known, cycle in delivered if not cycle.stale}.get(asked)


@world
def recollect(workspace: Workspace, task: str) -> None:
    """What the ledger's store knows of the data before: held-out rows, the champion's profile."""
    store = open_store(workspace)
    snapshot_held_out(workspace, store, task)
    snapshot_profile(workspace, store, task)


@step(cache_policy=NO_CACHE, persist_result=False, task_run_name="{stage}")
def build(workspace: Workspace, stage: str, task: str, force: bool = False) -> None:
    """What bytes can reproduce, as far as a stage; a training shows in MLflow while it runs."""
    with shown_live(workspace, task):
        reproduce(workspace, stage, task, force=force, timeout=TIMEOUT[stage])


@world
def prepare(workspace: Workspace, task: str) -> None:
    """What the world contributes to the judgement, as files: the champion and a reserved look."""
    store = open_store(workspace)
    snapshot_champion(workspace, store, task)
    reserve_look(workspace, store, task)


@world
def settle(workspace: Workspace, task: str, asked: str, notes: tuple[str, ...] = ()) -> Cycle:
    """Register the candidate and, if the gate says so, release it."""
    store, who = open_store(workspace), author(workspace)
    return conclude(
        workspace,
        store,
        task,
        question=asked,
        who=who,
        why="the gate promoted it",
        worth=read_worth(workspace, task),
        notes=notes,
    )


@world
def settle_invalid(workspace: Workspace, task: str, error: DataError, asked: str | None) -> Cycle:
    """Record that the data was not fit; the champion stays."""
    return conclude_invalid(workspace, open_store(workspace), task, error=error, question=asked)
