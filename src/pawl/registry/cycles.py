"""What a cycle comes to: its run, its candidate's version and, if the gate says so, its release.

Every step can be taken twice: an operation is named by a digest of what it does, so a retry after a
crash finds what the first attempt left and goes on from there.
"""

from __future__ import annotations

from pawl.adapter import read_adapter
from pawl.errors import PawlError
from pawl.files import digest_json
from pawl.params import as_json
from pawl.records import (
    Candidate,
    Cycle,
    Verdict,
    Worth,
    read_record,
    write_record,
)
from pawl.registry.judged import Outcome, log_judged, refuse_mismatch, release_judged
from pawl.registry.provenance import commit
from pawl.registry.release import project
from pawl.registry.runs import close_run, log_evidence, open_run
from pawl.registry.snapshot import read_state
from pawl.registry.store import Store
from pawl.registry.versions import AdapterVersion, find, register
from pawl.workspace import Workspace


def answered(store: Store, task: str, question: str) -> AdapterVersion | None:
    """The version that settled this question, None if a cycle is needed.

    A version that the gate promoted but that never was released settles nothing: its cycle crashed
    in between, or lost to another release.
    """
    version = find(store, task, question)
    if version is None or version.verdict != "promote":
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
) -> Cycle:
    """Put a judged candidate on record and, on the verdict `promote`, release it.

    `worth` is told beside the verdict; it decides nothing.

    Raises:
        DataError: the verdict is not about the adapter in `build/`, or its look is not reserved.
        AdapterError: the adapter's bytes are not what its manifest says.
        RegistryError: the store cannot be reached; calling again takes up where this one stopped.
    """
    files = workspace.files(task)
    verdict, manifest = read_record(files.verdict, Verdict), read_adapter(files.adapter)
    refuse_mismatch(verdict, manifest, read_state(store, task))
    look = verdict.look.question if verdict.look else ""
    op_id = f"cycle:{digest_json([question, manifest.digest, look])}"
    tags = {"pawl.question": question, "pawl.digest": manifest.digest}
    run_id = open_run(store, task, op_id=op_id, name=f"{task} {manifest.digest[:8]}", tags=tags)
    log_judged(workspace, store, task, run_id=run_id, verdict=verdict)
    version = register(
        store,
        verdict,
        manifest,
        op_id=op_id,
        question=question,
        run_id=run_id,
        commit=commit(workspace),
        params=as_json(workspace.task(task)),
        worth=worth,
    )
    outcome = Outcome(verdict.decision)
    if verdict.decision == "promote":
        outcome = release_judged(workspace, store, verdict, version=version, who=who, why=why)
    project(store, task)
    cycle = Cycle(
        task=task,
        verdict=outcome.decision,
        reasons=(*outcome.reasons, *verdict.reasons),
        candidate=Candidate(version.version, version.digest),
        champion=read_state(store, task).champion,
        scores=verdict.scores,
        rows=verdict.rows,
        run_id=run_id,
        worth=worth,
    )
    return _leave(workspace, store, cycle)


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
    files = workspace.files(task)
    log_evidence(store, run_id, params={}, metrics={}, files={files.check: "check"})
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


def unchanged(workspace: Workspace, store: Store, version: AdapterVersion) -> Cycle:
    """Put on record that nothing changed since `version` was judged: its answer stands.

    Raises:
        RegistryError: the store cannot be reached.
    """
    task, op_id = version.task, f"unchanged:{version.op_id}"
    tags = {"pawl.question": version.question, "pawl.digest": version.digest}
    run_id = open_run(store, task, op_id=op_id, name=f"{task} unchanged", tags=tags)
    cycle = Cycle(
        task=task,
        verdict="unchanged",
        reasons=(
            f"version {version.version} answered this question on {version.when[:10]}: "
            f"{version.verdict}",
            "data, schema, prompt, base and parameters are the same; --force trains again",
        ),
        candidate=Candidate(version.version, version.digest),
        champion=read_state(store, task).champion,
        scores=version.scores,
        rows=version.rows,
        run_id=run_id,
    )
    return _leave(workspace, store, cycle)


def _leave(workspace: Workspace, store: Store, cycle: Cycle) -> Cycle:
    write_record(workspace.files(cycle.task).cycle, cycle)
    close_run(store, cycle)
    return cycle
