"""Cycles that end without a judgement: nothing changed, people are to compare answers first, or the
data was not fit to train on."""

from __future__ import annotations

from pawl.core.files import digest_file, digest_json
from pawl.core.records import Candidate, CheckReport, Cycle, Verdict, read_record, write_record
from pawl.cycle.outbox import Order
from pawl.cycle.verdict_page import publish_page
from pawl.errors import DataError, PawlError
from pawl.ledger.alias import project
from pawl.ledger.judgements import find_by_fingerprint
from pawl.ledger.state import read_state
from pawl.report.markdown import cycle_page
from pawl.store.client import Store
from pawl.store.cycle_runs import close_run
from pawl.store.descriptions import NOTE, VERDICT, run_name
from pawl.store.runs import log_evidence, open_run
from pawl.store.versions import AdapterVersion
from pawl.workspace.paths import Workspace

HOLDS = "until then no other candidate is trained, but with --force, which gives this one up"
SAME = "data, schema, prompt, base and parameters are the same; --force trains again"


def find_cached_version(store: Store, task: str, question: str) -> AdapterVersion | None:
    """The version that a cycle of this fingerprint registered, None if a cycle is needed.

    A version with a stale verdict is no result. Nor is one that the gate promoted but that was
    never released: its cycle crashed in between, or lost to another release.
    """
    version = find_by_fingerprint(store, task, question)
    if version is None or version.stale:
        return None
    if version.verdict != "promote":
        return version
    released = any(entry.new == version.champion for entry in read_state(store, task).releases)
    return version if released else None


def conclude_unchanged(
    workspace: Workspace, store: Store, version: AdapterVersion, *, why: str = SAME
) -> Cycle:
    """Record a cycle that changed nothing: the verdict on `version` holds."""
    task, op_id = version.task, f"unchanged:{version.op_id}"
    tags = {"pawl.question": version.question, "pawl.digest": version.digest}
    run_id = open_run(store, task, op_id=op_id, name=run_name(task, verdict="unchanged"), tags=tags)
    state, move = project(store, task)
    cycle = Cycle(
        task=task,
        verdict="unchanged",
        reasons=(
            f"version {version.version} was judged on the same inputs on {version.when[:10]}: "
            f"{version.verdict}",
            why,
            *((move.message(task, state),) if move else ()),
        ),
        candidate=Candidate(version.version, version.digest),
        champion=state.champion,
        scores=version.scores,
        rows=version.rows,
        run_id=run_id,
    )
    return _record(workspace, store, cycle)


def conclude_waiting(workspace: Workspace, store: Store, order: Order, verdict: Verdict) -> Cycle:
    """Record a cycle whose candidate waits for people to compare its answers; it stays posted."""
    task = order.task
    op_id = f"waiting:{order.op_id}"
    run_id = open_run(store, task, op_id=op_id, name=run_name(task, verdict="waiting"), tags={})
    cycle = Cycle(
        task=task,
        verdict="waiting",
        reasons=(*verdict.reasons, HOLDS),
        candidate=Candidate(None, verdict.candidate),
        champion=read_state(store, task).champion,
        scores=verdict.scores,
        rows=verdict.rows,
        run_id=run_id,
    )
    return _record(workspace, store, cycle)


def conclude_invalid(
    workspace: Workspace, store: Store, task: str, *, error: PawlError, question: str | None
) -> Cycle:
    """Record a cycle whose data was not fit to train or judge on; the champion stays.

    `question` is the cycle's fingerprint, None where it could not be taken.
    """
    op_id = f"invalid:{digest_json([question, error.found])}"
    tags = {"pawl.question": question} if question else {}
    run_id = open_run(
        store, task, op_id=op_id, name=run_name(task, verdict="invalid data"), tags=tags
    )
    files = {workspace.files(task).check: "check"} if _check_is_current(workspace, task) else {}
    log_evidence(store, run_id, files=files)
    reasons = (error.found, error.rule and f"rule: {error.rule}", error.remedy)
    cycle = Cycle(
        task=task,
        verdict="invalid",
        reasons=tuple(line for line in reasons if line),
        candidate=Candidate(),
        champion=read_state(store, task).champion,
        scores={},
        rows={},
        run_id=run_id,
    )
    return _record(workspace, store, cycle)


def _record(workspace: Workspace, store: Store, cycle: Cycle) -> Cycle:
    files = workspace.files(cycle.task)
    write_record(files.cycle, cycle)
    publish_page(workspace, store, cycle, files)
    close_run(
        store,
        cycle,
        tags={NOTE: cycle_page(cycle, model=store.named(cycle.task)), VERDICT: cycle.verdict},
    )
    return cycle


def _check_is_current(workspace: Workspace, task: str) -> bool:
    """Whether the check in `build/` is of the data file as it is now.

    A cycle may end before its own check: then the one there is of an earlier delivery.
    """
    report = workspace.files(task).check / "report.json"
    data = workspace.inside(workspace.task(task).data)
    try:
        return read_record(report, CheckReport).data == digest_file(data)
    except (DataError, OSError):
        # There is none, or one of another version of pawl; or the data is gone, which is recorded.
        return False
