"""What a cycle comes to: its run, its candidate's version and, if the gate says so, its release.

Every step can be taken twice: an operation is named by a digest of what it does, so a retry after a
crash finds what the first attempt left and goes on from there.
"""

from __future__ import annotations

import uuid
from pathlib import Path

from pawl.config.schema import as_json
from pawl.core.files import digest_file, digest_json, discard
from pawl.core.records import (
    Candidate,
    CheckReport,
    Cycle,
    Verdict,
    Worth,
    read_record,
    write_record,
)
from pawl.cycle.outbox import Order, operation, post, read_order, set_aside, waiting, waits
from pawl.cycle.registration import Outcome, log_judged, release_judged
from pawl.errors import AdapterError, DataError, PawlError, RegistryError
from pawl.ledger.alias import project
from pawl.ledger.provenance import commit, data_md5
from pawl.ledger.state import read_state
from pawl.model.adapter import read_adapter
from pawl.release.local_copies import keep_copies, stored_champion
from pawl.release.preconditions import refuse_mismatch, refuse_unpaid, stale_since
from pawl.store.client import Store
from pawl.store.runs import close_run, finished, log_evidence, open_run
from pawl.store.versions import AdapterVersion, find, judged_in, register
from pawl.workspace.paths import TaskFiles, Workspace

SAME = "data, schema, prompt, base and parameters are the same; --force trains again"
SPENT = "a look gives one answer, however its rows measure later"


def answered(store: Store, task: str, question: str) -> AdapterVersion | None:
    """The version that settled this question, None if a cycle is needed.

    A version whose verdict was stale settles nothing. Nor does one that the gate promoted but that
    never was released: its cycle crashed in between, or lost to another release.
    """
    version = find(store, task, question)
    if version is None or version.stale:
        return None
    if version.verdict != "promote":
        return version
    released = any(entry.new == version.champion for entry in read_state(store, task).releases)
    return version if released else None


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
    """Put the judged candidate in `build/` on record and, on the verdict `promote`, release it.

    `worth` and `notes` are told beside the verdict; they decide nothing.

    Raises:
        DataError: the verdict is not about the adapter in `build/`, or its look is not reserved.
        AdapterError: the adapter's bytes are not what its manifest says.
        WaitingError: the store cannot be reached; the candidate waits in the outbox.
    """
    files = workspace.files(task)
    verdict, manifest = read_record(files.verdict, Verdict), read_adapter(files.adapter)
    refuse_mismatch(verdict, manifest)
    order = Order(
        task=task,
        op_id=operation(question, verdict, manifest),
        posted=uuid.uuid4().hex,
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
    return deliver(workspace, store, task, post(workspace, order))


def deliver(workspace: Workspace, store: Store, task: str, folder: Path) -> Cycle:
    """Put an order of the outbox on record and remove it; delivering it twice is delivering once.

    Raises:
        DataError, AdapterError: it can never be delivered, and was set aside.
        WaitingError: the store cannot be reached; the order waits.
    """
    return _deliver(workspace, store, task, folder)[1]


def _deliver(workspace: Workspace, store: Store, task: str, folder: Path) -> tuple[str, Cycle]:
    try:
        order, files = read_order(folder)
        cycle = finished(store, task, order.posted) or _put_on_record(
            workspace, store, order, files
        )
    except RegistryError as error:
        raise waits(task, error, judged=True) from error
    except (DataError, AdapterError):
        set_aside(folder)
        raise
    write_record(workspace.files(task).cycle, cycle)
    discard(folder)
    return order.question, cycle


def catch_up(workspace: Workspace, store: Store, task: str) -> list[tuple[str, Cycle]]:
    """Deliver all that waits in the outbox, oldest first; each with its question.

    Raises:
        DataError, AdapterError: one can never be delivered, and was set aside.
        WaitingError: the store cannot be reached.
    """
    return [_deliver(workspace, store, task, folder) for folder in waiting(workspace, task)]


def _put_on_record(workspace: Workspace, store: Store, order: Order, files: TaskFiles) -> Cycle:
    task = order.task
    verdict, manifest = read_record(files.verdict, Verdict), read_adapter(files.adapter)
    refuse_mismatch(verdict, manifest)
    state, strayed = project(store, task)
    refuse_unpaid(verdict, state)
    first = judged_in(store, task, verdict.look)
    if first is not None and first.verdict != verdict.decision:
        return unchanged(workspace, store, first, why=SPENT)
    # Before the release: of the champion that the candidate was judged against.
    in_store = stored_champion(store, task, state)
    tags = {"pawl.question": order.question, "pawl.digest": manifest.digest}
    name = f"{task} {manifest.digest[:8]}"
    run_id = open_run(store, task, op_id=order.op_id, name=name, tags=tags)
    log_judged(store, files, run_id=run_id, verdict=verdict, params=order.params)
    version = register(
        store,
        verdict,
        manifest,
        evidence=digest_file(files.verdict),
        op_id=order.op_id,
        question=order.question,
        run_id=run_id,
        commit=order.commit,
        data_md5=order.data_md5,
        params=order.params,
        worth=order.worth,
        stale=stale_since(verdict, state),
    )
    outcome = Outcome(verdict.decision)
    if version.stale:
        outcome = Outcome("inconclusive", (version.stale,), stale=True)
    elif verdict.decision == "promote":
        outcome = release_judged(
            workspace, store, verdict, version=version, who=order.who, why=order.why
        )
    after, _ = project(store, task)
    told = (*((strayed.says(task, state),) if strayed else ()), *in_store)
    cycle = Cycle(
        task=task,
        verdict=outcome.decision,
        reasons=(
            *outcome.reasons,
            *order.notes,
            *verdict.reasons,
            *told,
            *keep_copies(workspace, store, task, after),
        ),
        candidate=Candidate(version.version, version.digest),
        champion=after.champion,
        scores=verdict.scores,
        rows=verdict.rows,
        run_id=run_id,
        worth=order.worth,
        stale=outcome.stale,
    )
    close_run(store, cycle, posted=order.posted)
    return cycle


def conclude_invalid(
    workspace: Workspace, store: Store, task: str, *, error: PawlError, question: str | None
) -> Cycle:
    """Put on record that the data was not fit to train or judge on; the champion stays.

    Raises:
        RegistryError: the store cannot be reached.
    """
    op_id = f"invalid:{digest_json([question, error.found])}"
    tags = {"pawl.question": question} if question else {}
    run_id = open_run(store, task, op_id=op_id, name=f"{task} invalid", tags=tags)
    files = {workspace.files(task).check: "check"} if checked_as_it_is(workspace, task) else {}
    log_evidence(store, run_id, params={}, metrics={}, files=files)
    said = (error.found, error.rule and f"rule: {error.rule}", error.remedy)
    cycle = Cycle(
        task=task,
        verdict="invalid",
        reasons=tuple(line for line in said if line),
        candidate=Candidate(),
        champion=read_state(store, task).champion,
        scores={},
        rows={},
        run_id=run_id,
    )
    return _leave(workspace, store, cycle)


def unchanged(
    workspace: Workspace, store: Store, version: AdapterVersion, *, why: str = SAME
) -> Cycle:
    """Put on record that nothing changed since `version` was judged: its answer stands.

    Raises:
        RegistryError: the store cannot be reached.
    """
    task, op_id = version.task, f"unchanged:{version.op_id}"
    tags = {"pawl.question": version.question, "pawl.digest": version.digest}
    run_id = open_run(store, task, op_id=op_id, name=f"{task} unchanged", tags=tags)
    state, strayed = project(store, task)
    cycle = Cycle(
        task=task,
        verdict="unchanged",
        reasons=(
            f"version {version.version} answered this question on {version.when[:10]}: "
            f"{version.verdict}",
            why,
            *((strayed.says(task, state),) if strayed else ()),
        ),
        candidate=Candidate(version.version, version.digest),
        champion=state.champion,
        scores=version.scores,
        rows=version.rows,
        run_id=run_id,
    )
    return _leave(workspace, store, cycle)


def _leave(workspace: Workspace, store: Store, cycle: Cycle) -> Cycle:
    write_record(workspace.files(cycle.task).cycle, cycle)
    close_run(store, cycle)
    return cycle


def checked_as_it_is(workspace: Workspace, task: str) -> bool:
    """Whether the last check was of the data file as it is now.

    A cycle may end before its own: then what lies there speaks of an earlier delivery.
    """
    report = workspace.files(task).check / "report.json"
    data = workspace.inside(workspace.task(task).data)
    try:
        return read_record(report, CheckReport).data == digest_file(data)
    except (DataError, OSError):
        # None is there, or one of another version of pawl; or the data is gone, which is on record.
        return False
