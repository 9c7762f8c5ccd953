"""A judged candidate: its evidence on a run, and its release where the gate promoted it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pawl.core.records import Decision, RankTrial, Training, Verdict, read_record
from pawl.ledger.ledger import append
from pawl.ledger.state import read_state
from pawl.release.local_copies import local_copy
from pawl.release.preconditions import stale_since
from pawl.release.signing import sign_release
from pawl.store.client import Store
from pawl.store.runs import log_curve, log_evidence
from pawl.store.versions import AdapterVersion
from pawl.workspace.paths import TaskFiles, Workspace

DEV = " (dev)"


@dataclass(frozen=True)
class Outcome:
    """The outcome of a judged candidate: the final decision, and reasons to add.

    `stale`: the champion was replaced while it was judged, so that the verdict was not applied.
    """

    decision: Decision
    reasons: tuple[str, ...] = ()
    stale: bool = False


def log_judged(
    store: Store, files: TaskFiles, *, run_id: str, verdict: Verdict, params: dict[str, Any]
) -> None:
    """Parameters, scores and evidence of a judged candidate, and the adapter itself."""
    scores = _named(verdict.scores)
    rows = {f"rows/{name}": float(count) for name, count in verdict.rows.items()}
    if files.training.is_file():
        training = read_record(files.training, Training)
        log_curve(store, run_id, [asdict(point) for point in training.points])
        log_curve(store, run_id, [by_rank(rung) for rung in training.rungs], prefix="rank")
    log_evidence(
        store,
        run_id,
        params=params,
        metrics=scores | rows,
        files=files.evidence,
    )


def by_rank(rung: RankTrial) -> dict[str, float]:
    """A rung as a point of the curve over ranks: MLflow draws the rank where it draws a step."""
    return {
        "step": rung.rank,
        "train_loss": rung.train_loss,
        "dev_loss": rung.dev_loss,
        "gap": rung.gap,
        "kept": float(rung.kept),
        **({} if rung.p is None else {"p": rung.p}),
    }


def release_judged(
    workspace: Workspace,
    store: Store,
    verdict: Verdict,
    *,
    version: AdapterVersion,
    who: str,
    why: str,
) -> Outcome:
    """Write the release and return its outcome, which the replayed ledger decides."""
    task, op_id = verdict.task, version.op_id
    # The upload is read back: an adapter that cannot be served is never released.
    copy = local_copy(workspace, store, version.champion, task=task)
    signed = sign_release(
        workspace, store, task, version.champion, adapter=copy, state=read_state(store, task)
    )
    entry = append(
        store,
        task,
        op_id=op_id,
        kind="promote" if verdict.champion.version is not None else "first",
        expected=verdict.champion,
        new=version.champion,
        who=who,
        why=why,
        evidence=signed.evidence,
        details={"signature": signed.signature},
        run=version.run_id,
    )
    state = read_state(store, task)
    if state.counted(op_id) is None:
        why_not = stale_since(verdict, state) or "it was retired in between"
        return Outcome(
            "inconclusive", (f"{why_not} (ledger entry {entry.number} is void)",), stale=True
        )
    if state.champion != version.champion:
        last = state.releases[-1]
        return Outcome(
            "unchanged",
            (
                f"this verdict released version {version.version} on {entry.when[:10]}; since "
                f"then {last.who} made {state.champion.label('no champion')} champion: {last.why}",
            ),
        )
    return Outcome("promote")


def _named(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The scores by MLflow name: `gate/candidate/exact_match`, `dev/candidate/exact_match`.

    In the verdict, 'candidate (dev)' are the scores on the dev split.
    """
    named: dict[str, float] = {}
    for contender, values in scores.items():
        name, dev = contender.removesuffix(DEV), contender.endswith(DEV)
        for metric, value in values.items():
            named[f"{'dev' if dev else 'gate'}/{name}/{metric}"] = value
    return named
