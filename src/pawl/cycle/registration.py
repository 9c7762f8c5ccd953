"""A judged candidate: its evidence on a run, and its release where the gate promoted it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pawl.core.records import Champion, Decision, Verdict
from pawl.ledger.entries import Entry, State
from pawl.ledger.ledger import append
from pawl.ledger.state import read_state
from pawl.model.adapter import read_adapter
from pawl.release.approval import awaits, expired_error
from pawl.release.local_copies import local_copy
from pawl.release.preconditions import refuse_other_files, stale_since
from pawl.release.signing import EVIDENCE, sign_release
from pawl.store.client import Store
from pawl.store.runs import fetch_file, log_evidence
from pawl.store.versions import AdapterVersion
from pawl.workspace.paths import TaskFiles, Workspace


@dataclass(frozen=True)
class Outcome:
    """The outcome of a judged candidate: the final decision, and reasons to add.

    `stale`: the champion was replaced while it was judged, so that the verdict was not applied.
    """

    decision: Decision
    reasons: tuple[str, ...] = ()
    stale: bool = False


def log_judged(store: Store, files: TaskFiles, *, run_id: str, params: dict[str, Any]) -> None:
    """Parameters and evidence of a judged candidate, and the adapter itself."""
    log_evidence(store, run_id, params=params, files=files.evidence)


def release_judged(
    workspace: Workspace,
    store: Store,
    verdict: Verdict,
    files: TaskFiles,
    *,
    version: AdapterVersion,
    who: str,
    why: str,
) -> Outcome:
    """Write the release and return its outcome, which the replayed ledger decides.

    What is signed are the files that were judged here, never what the store returns for them.

    Raises:
        RegistryError: the store returns other files than were judged.
    """
    task, op_id = verdict.task, version.op_id
    new = Champion(version.version, read_adapter(files.adapter).digest)
    state = read_state(store, task)
    # By an attempt that was cut off before its end, or by a person since then.
    if earlier := next((entry for entry in state.releases if entry.new == new), None):
        return _released(state, earlier)
    awaited = awaits(workspace, state, version)
    if awaited and (gone := state.retirement(new)) is not None:
        return Outcome("inconclusive", (f"version {new.version} was retired: {gone.mark}",))
    if awaited and not awaited.enough:
        if awaited.until < datetime.now(UTC):
            return Outcome("inconclusive", (expired_error(task, awaited).found,))
        how = f"`pawl approve {task} {version.version} --reason …`, or Prefect's page, releases it"
        return Outcome("waiting", (awaited.text, how))
    why += f"; approved by {', '.join(awaited.approved)}" if awaited else ""
    # The upload is read back: an adapter that cannot be served is never released.
    copy = local_copy(workspace, store, new, task=task)
    with tempfile.TemporaryDirectory() as folder:
        stored = fetch_file(store, version.run_id, EVIDENCE, into=Path(folder))
        refuse_other_files({copy: files.adapter, stored: files.verdict})
    state = read_state(store, task)
    signed = sign_release(
        workspace, store, task, new, adapter=files.adapter, verdict=files.verdict, state=state
    )
    entry = append(
        store,
        task,
        op_id=op_id,
        kind="promote" if verdict.champion.version is not None else "first",
        expected=verdict.champion,
        new=new,
        who=who,
        why=why,
        evidence=signed.evidence,
        details={"signature": signed.signature},
        run=version.run_id,
    )
    state = read_state(store, task)
    if state.counted(op_id) is None:
        why_not = stale_since(verdict, state) or "it was retired in between"
        reason = f"{why_not} (ledger entry {entry.number} is void)"
        return Outcome("inconclusive", (reason,), stale=True)
    return _released(state, entry)


def _released(state: State, entry: Entry) -> Outcome:
    """The outcome of a release that counted: others may have followed."""
    if state.champion == entry.new or entry.new is None:
        return Outcome("promote")
    last = state.releases[-1]
    reason = (
        f"this verdict released version {entry.new.version} on {entry.when[:10]}; since then "
        f"{last.who} made {state.champion.label('no champion')} champion: {last.why}"
    )
    return Outcome("unchanged", (reason,))
