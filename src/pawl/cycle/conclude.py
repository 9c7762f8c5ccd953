"""The end of a judged cycle: its run, its candidate's version and, on `promote`, its release.

Every step can be taken twice: an operation is named by a digest of what it does, so a retry after a
crash finds what the first attempt left and goes on from there.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pawl.config.schema import as_json
from pawl.core.files import digest_file, digest_json, digest_text
from pawl.core.records import (
    Candidate,
    Cycle,
    Verdict,
    Worth,
    read_record,
    to_json,
    write_record,
)
from pawl.cycle.mlflow_pages import finish_pages
from pawl.cycle.outbox import (
    Order,
    leave_for_pages,
    post_order,
    print_refusal,
    read_order,
    set_aside,
    waiting_error,
    waiting_order,
    waiting_orders,
)
from pawl.cycle.registration import Outcome, log_judged, release_judged
from pawl.cycle.reviewed import give_up_reviews, judge_by_review
from pawl.cycle.unjudged import conclude_unchanged, conclude_waiting
from pawl.cycle.verdict_page import publish_page
from pawl.errors import AdapterError, DataError, PawlError, RegistryError
from pawl.ledger.alias import project
from pawl.ledger.judgements import find_by_look, is_judged, sign_judgement
from pawl.ledger.provenance import commit, data_md5
from pawl.ledger.state import undoubted_state
from pawl.model.adapter import MANIFEST, read_adapter
from pawl.release.local_copies import ensure_local_copies, stored_champion_problems
from pawl.release.preconditions import refuse_mismatch, refuse_unreserved_look, stale_since
from pawl.store.client import Store
from pawl.store.cycle_runs import close_run, find_delivered
from pawl.store.runs import open_run
from pawl.store.versions import AdapterVersion, Judgement, register
from pawl.workspace.paths import TaskFiles, Workspace

SPENT = "a look gives one answer, however its rows measure later"


def conclude(
    workspace: Workspace,
    store: Store,
    task: str,
    *,
    question: str,
    who: str,
    why: str,
    worth: Worth | None = None,
    notes: tuple[str, ...] = (),
) -> Cycle:
    """Register the judged candidate in `build/` and, on the verdict `promote`, release it.

    `question` is the cycle's fingerprint. `worth` and `notes` are shown with the verdict; they
    decide nothing.

    Raises:
        DataError: the verdict is not about the adapter in `build/`, or its look is not reserved.
        AdapterError: the adapter's bytes are not what its manifest says.
        WaitingError: the store cannot be reached; the candidate waits in the outbox.
    """
    files = workspace.files(task)
    verdict, manifest = read_record(files.verdict, Verdict), read_adapter(files.adapter)
    refuse_mismatch(verdict, manifest)
    # Without a look the champion tells two judgements of one adapter apart; the same for a retry.
    look = verdict.look.question if verdict.look else digest_json(to_json(verdict.champion))
    op_id = f"cycle:{digest_json([question, manifest.digest, look])}"
    waiting = waiting_order(workspace, task, op_id)
    order = Order(
        task=task,
        op_id=op_id,
        posted=waiting.posted if waiting else uuid.uuid4().hex,
        question=question,
        who=who,
        why=why,
        commit=commit(workspace),
        params=as_json(workspace.task(task)),
        worth=worth,
        notes=notes,
        evidence=digest_file(files.verdict),
        data_md5=data_md5(workspace, task),
    )
    folder = post_order(workspace, order)
    give_up_reviews(workspace, task, but=folder)
    return _deliver_order(workspace, store, task, folder)[1]


def deliver_outbox(
    workspace: Workspace,
    store: Store,
    task: str,
    *,
    refused: Callable[[PawlError], None] = print_refusal,
) -> list[tuple[str, Cycle]]:
    """Deliver all orders that wait in the outbox, oldest first; fingerprint and cycle of each.

    One that can never be delivered is set aside, and told to `refused`; the others are delivered.
    One whose answers people are to compare first stays (`waiting`).
    Raises `WaitingError` if the store cannot be reached.
    """
    finish_pages(workspace, store, task)
    delivered = []
    for folder in waiting_orders(workspace, task):
        try:
            delivered.append(_deliver_order(workspace, store, task, folder))
        except (DataError, AdapterError) as error:
            # Not raised: it is a fault of this order, and not of the data of today's cycle.
            refused(error)
    return delivered


def _deliver_order(
    workspace: Workspace, store: Store, task: str, folder: Path
) -> tuple[str, Cycle]:
    """Register an order of the outbox and remove it; delivering it twice is delivering it once."""
    try:
        order, files = read_order(folder)
        if read_record(files.verdict, Verdict).decision == "waiting":
            if (still := judge_by_review(workspace, folder, order, files)) is not None:
                return order.question, conclude_waiting(workspace, store, order, still)
            order, files = read_order(folder)
        delivered = find_delivered(store, task, order.posted)
        cycle = delivered or _register_order(workspace, store, order, files)
    except RegistryError as error:
        raise waiting_error(task, error, judged=True) from error
    except (DataError, AdapterError) as error:
        raise set_aside(task, folder, error) from error
    write_record(workspace.files(task).cycle, cycle)
    leave_for_pages(folder)
    finish_pages(workspace, store, task)
    return order.question, cycle


def _register_order(workspace: Workspace, store: Store, order: Order, files: TaskFiles) -> Cycle:
    task = order.task
    verdict, manifest = read_record(files.verdict, Verdict), read_adapter(files.adapter)
    refuse_mismatch(verdict, manifest)
    undoubted_state(store, task)
    state, move = project(store, task)
    refuse_unreserved_look(verdict, state)
    first = find_by_look(store, task, _look_of(verdict))
    if first is not None and first.verdict != verdict.decision:
        return conclude_unchanged(workspace, store, first, why=SPENT)
    # Before the release: of the champion that the candidate was judged against.
    champion_problems = stored_champion_problems(store, task, state)
    run_id = _log_run(store, order, files, verdict)
    version = _register_version(store, order, files, verdict, run_id, stale_since(verdict, state))
    outcome = Outcome(verdict.decision)
    if version.stale:
        outcome = Outcome("inconclusive", (version.stale,), stale=True)
    elif verdict.decision == "promote":
        outcome = release_judged(
            workspace, store, verdict, files, version=version, who=order.who, why=order.why
        )
    after, _ = project(store, task)
    cycle = Cycle(
        task=task,
        verdict=outcome.decision,
        reasons=(
            *outcome.reasons,
            *order.notes,
            *verdict.reasons,
            *((move.message(task, state),) if move else ()),
            *champion_problems,
            *ensure_local_copies(workspace, store, task, after),
        ),
        candidate=Candidate(version.version, version.digest),
        champion=after.champion,
        scores=verdict.scores,
        rows=verdict.rows,
        run_id=run_id,
        worth=order.worth,
        stale=outcome.stale,
    )
    publish_page(workspace, store, cycle, files)
    tags = {"pawl.question": order.question, "pawl.digest": manifest.digest}
    close_run(store, cycle, posted=order.posted, tags=tags)
    return cycle


def _log_run(store: Store, order: Order, files: TaskFiles, verdict: Verdict) -> str:
    """Put the evidence on the operation's run; returns its id."""
    # While it is under way nobody else can know the operation's id, nor compute it from the run's
    # tags: `posted` is random.
    op_id = digest_text(f"{order.op_id} {order.posted}")
    name = f"{order.task} {(verdict.candidate or '')[:8]}"
    run_id = open_run(store, order.task, op_id=op_id, name=name, tags={})
    log_judged(store, files, run_id=run_id, params=order.params)
    return run_id


def _register_version(
    store: Store,
    order: Order,
    files: TaskFiles,
    verdict: Verdict,
    run_id: str,
    stale: str | None,
) -> AdapterVersion:
    """Sign the judgement and register the version that the run carries."""
    manifest = read_adapter(files.adapter)
    base = manifest.base
    judgement = Judgement(
        task=order.task,
        digest=manifest.digest,
        manifest=digest_file(files.adapter / MANIFEST),
        base=f"{base.model}@{base.revision}" if base.revision else base.model,
        base_digest=base.digest,
        data=manifest.data,
        data_md5=order.data_md5 or None,
        commit=order.commit,
        params=order.params,
        verdict=verdict.decision,
        evidence=digest_file(files.verdict),
        scores=verdict.scores,
        rows=verdict.rows,
        against=verdict.champion,
        question=order.question,
        look=_look_of(verdict),
        stale=stale,
        op_id=order.op_id,
        run_id=run_id,
    )
    return register(
        store,
        judgement,
        verdict,
        signature=sign_judgement(store, judgement),
        is_judged=partial(is_judged, store),
        worth=order.worth,
    )


def _look_of(verdict: Verdict) -> str | None:
    return verdict.look.question if verdict.look else None
