"""A judged candidate: its evidence on a run, and its release where the gate says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pawl.errors import DataError
from pawl.records import AdapterManifest, Champion, Decision, Rung, Verdict, read_record
from pawl.registry.copies import local_copy
from pawl.registry.ledger import State, append
from pawl.registry.runs import log_curve, log_evidence
from pawl.registry.signing import sign_release
from pawl.registry.snapshot import read_state
from pawl.registry.store import Store
from pawl.registry.versions import AdapterVersion
from pawl.workspace import TaskFiles, Workspace

DEV = " (dev)"


@dataclass(frozen=True)
class Training:
    """What `training.json` says that is worth a curve: a mapping of numbers a logged step, and the
    ranks that `train.rank: auto` tried.
    """

    points: tuple[dict[str, float], ...] = ()
    rungs: tuple[Rung, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of a judged candidate: the decision as it ended, and words to add.

    `stale`: the champion was replaced while it was judged, so that the verdict was not applied.
    """

    decision: Decision
    reasons: tuple[str, ...] = ()
    stale: bool = False


def refuse_mismatch(verdict: Verdict, manifest: AdapterManifest) -> None:
    """The verdict must be about this adapter."""
    if verdict.candidate != manifest.digest:
        raise DataError(
            f"the verdict is about adapter {(verdict.candidate or 'none')[:12]}",
            rule=f"it must be about the one in build/, which is {manifest.digest[:12]}",
            remedy="run the cycle again: `pawl run TASK --force`",
        )


def refuse_unpaid(verdict: Verdict, state: State) -> None:
    """A promotion must stand on a look that was paid for, at the level that was paid for."""
    if verdict.decision == "promote" and not paid(verdict, state):
        raise DataError(
            "the verdict promotes on a look that the ledger does not have",
            rule="gate rows are scored only after a look was reserved in the ledger, and judged "
            "at its level",
            remedy="run the cycle with `pawl run TASK`; look.json is not written by hand",
        )


def paid(verdict: Verdict, state: State) -> bool:
    """Whether the ledger has the look that a verdict stands on, at its level."""
    look = verdict.look
    known = {
        (e.details["question"], float(e.details["level"]), int(e.details["since"]))
        for looks in state.looks.values()
        for e in looks
    }
    return look is not None and (look.question, look.level, look.since) in known


def stale_since(verdict: Verdict, state: State) -> str | None:
    """Why a verdict cannot be applied: its champion was replaced. None: it still is champion."""
    if verdict.champion == state.champion:
        return None
    last = state.releases[-1] if state.releases else None
    by = f" ({last.kind} by {last.who}: {last.why})" if last else ""
    return (
        f"while this candidate was judged against {_name(verdict.champion)}, "
        f"{_name(state.champion)} became champion{by}: the verdict is stale and is not applied"
    )


def log_judged(
    store: Store, files: TaskFiles, *, run_id: str, verdict: Verdict, params: dict[str, Any]
) -> None:
    """Parameters, scores and evidence of a judged candidate, and the adapter itself."""
    scores = _named(verdict.scores)
    rows = {f"rows/{name}": float(count) for name, count in verdict.rows.items()}
    if files.training.is_file():
        training = read_record(files.training, Training)
        log_curve(store, run_id, training.points)
        log_curve(store, run_id, [by_rank(rung) for rung in training.rungs], prefix="rank")
    log_evidence(
        store,
        run_id,
        params=params,
        metrics=scores | rows,
        files={
            files.adapter: "adapter",
            files.check: "check",
            files.base: "inputs",
            files.splits / "manifest.json": "splits",
            files.eval: "eval",
            files.verdict: "",
            files.training: "",
            files.known: "",
        },
    )


def by_rank(rung: Rung) -> dict[str, float]:
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
    """Write the release and say what it came to; the fold, not the writer, knows that."""
    task, op_id = verdict.task, version.op_id
    # What was uploaded is read back: an adapter that cannot be served is never released.
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
                f"then {last.who} made {_name(state.champion)} champion: {last.why}",
            ),
        )
    return Outcome("promote")


def _name(champion: Champion) -> str:
    return "no champion" if champion.version is None else f"version {champion.version}"


def _named(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """MLflow's name for each score: `gate/candidate/exact_match`, `dev/candidate/exact_match`.

    The verdict calls what was measured on the dev split 'candidate (dev)'.
    """
    named: dict[str, float] = {}
    for contender, values in scores.items():
        name, dev = contender.removesuffix(DEV), contender.endswith(DEV)
        for metric, value in values.items():
            named[f"{'dev' if dev else 'gate'}/{name}/{metric}"] = value
    return named
