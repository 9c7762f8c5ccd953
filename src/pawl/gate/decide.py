"""The judgement: evidence and policy in, verdict out. Pure, so that it can be replayed.

Reasons are part of the verdict, and `pawl replay` compares whole verdicts: a change of wording
here, in `rules`, `figures`, `evidence` or `forgetting` makes verdicts of the same edition differ.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from pawl.config.judging import Gate
from pawl.core.metrics import PREFERENCE
from pawl.core.records import Calibration, Comparison, Contender, Decision, Verdict
from pawl.gate.calibration import calibrated, judge_faults, judge_finding
from pawl.gate.evidence import Evidence, faults, plausible
from pawl.gate.forgetting import forgetting
from pawl.gate.matches import matches
from pawl.gate.preference import planned_pairs, preferred, review_faults, unlabelled, waiting
from pawl.gate.rules import EDITION, Finding, compare, compare_elsewhere, floors, guards
from pawl.gate.screen import no_effect, screen


def decide(
    evidence: Evidence,
    policy: Gate,
    *,
    parents: Mapping[str, str] | None = None,
    edition: int = EDITION,
) -> Verdict:
    """Return the verdict on the candidate.

    promote: every rule holds. reject: a rule fails for good (not better than another contender,
    a floor missed, a guard broken). inconclusive: as well as asked, but luck is not ruled out.
    waiting: people are to compare answers first. invalid: the evidence cannot be judged. Without
    a look only the screen on dev can decide, and only against the candidate. Under
    `disclosure: sealed` the verdict is reduced to what `sealed` discloses.

    Args:
        evidence: the evaluation's records.
        policy: the gate section of `params.yaml`; the level comes from the look.
        parents: digests of the files that the evidence was read from, by name.
        edition: of the rules; an earlier one derives an earlier verdict again.
    """
    report = evidence.report
    judged = _Judged()
    if report.look is None:
        text = "no look was reserved: dev was scored, the gate rows stayed sealed"
        findings = [f for f in screen(evidence, policy) if not f.holds]
        judged = _Judged(findings or [Finding("look", False, True, text)], invalid=not findings)
    elif broken := (
        faults(evidence, policy)
        or review_faults(evidence, policy)
        or judge_faults(evidence, policy)
    ):
        judged = _Judged([Finding("evidence", False, True, text) for text in broken], invalid=True)
    else:
        judged = _by_the_rules(evidence, policy, level=report.look.level, edition=edition)
    findings = judged.findings
    verdict = Verdict(
        task=report.task,
        decision=judged.decision,
        reasons=(*(f.text for f in findings), *_notes(evidence)),
        candidate=report.candidate,
        champion=report.champion,
        look=report.look,
        comparisons=judged.compared,
        scores={_label(c): _plausible_scores(c) for c in report.contenders},
        rows=evidence.rows,
        parents=dict(parents or {}),
        guards=judged.guarded,
        beside=judged.informed,
        failed=tuple(dict.fromkeys(f.rule for f in findings if not f.holds)),
        edition=None if edition == 1 else edition,
        judge=judged.judge,
        scorer_code=report.scorer_code,
    )
    if policy.disclosure != "sealed" or (report.look is None and edition > 1):
        # Without a look no gate row was scored, and anybody may look at dev.
        return verdict
    return sealed(verdict, evidence)


@dataclass(frozen=True)
class _Judged:
    """What the rules found. `waiting`: people are to compare answers first; `invalid`: no rule."""

    findings: list[Finding] = field(default_factory=list)
    compared: tuple[Comparison, ...] = ()
    guarded: tuple[Comparison, ...] = ()
    informed: tuple[Comparison, ...] = ()
    waiting: bool = False
    invalid: bool = False
    judge: Calibration | None = None

    @property
    def decision(self) -> Decision:
        failed = [f for f in self.findings if not f.holds]
        if self.invalid or self.waiting:
            return "invalid" if self.invalid else "waiting"
        if not failed:
            return "promote"
        return "reject" if any(f.final for f in failed) else "inconclusive"


def _by_the_rules(evidence: Evidence, policy: Gate, *, level: float, edition: int) -> _Judged:
    """Judge complete evidence. What fails for good without people's labels asks nobody for them."""
    guarded = guards(evidence, policy, edition=edition)
    rest = floors(evidence, policy) + [finding for _, finding in guarded]
    if policy.forgetting is not None:
        holds, text = forgetting(evidence.report.general, policy.forgetting)
        rest.append(Finding("forgetting", holds, True, text))
    matched = matches(evidence, policy)
    rest += [finding for _, finding in matched]
    shown = [comparison for comparison, _ in (*guarded, *matched)]
    kept, judge = tuple(comparison for comparison in shown if comparison), None
    if policy.metric == PREFERENCE:
        missing = unlabelled(evidence, policy)
        if missing and any(finding.final and not finding.holds for finding in rest):
            return _Judged(rest, guarded=kept)
        if missing:
            of = sum(not pair.same for pair in planned_pairs(evidence, policy))
            asked = waiting(len(missing), of, task=evidence.report.task)
            return _Judged([asked, *rest], guarded=kept, waiting=True)
        judge = calibrated(evidence, policy, planned_pairs(evidence, policy), level=level)
        compared = [preferred(evidence, policy, level=level, edition=edition, judge=judge)]
    else:
        compared = compare(evidence, policy, level=level, edition=edition)
    findings = [finding for _, finding in compared]
    findings += [judge_finding(judge)] if judge else []
    if not all(comparison.passed for comparison, _ in compared):
        # Who has beaten the base on gate rows has learned something, whatever dev shows.
        findings += no_effect(evidence)
    # Whom it must match has been compared already.
    informed = [
        (comparison, finding)
        for comparison, finding in compare_elsewhere(evidence, policy, level=level, edition=edition)
        if comparison.against not in policy.matches
    ]
    return _Judged(
        [*findings, *rest, *(finding for _, finding in informed)],
        compared=tuple(comparison for comparison, _ in compared),
        guarded=kept,
        informed=tuple(comparison for comparison, _ in informed),
        judge=judge,
    )


def sealed(verdict: Verdict, evidence: Evidence) -> Verdict:
    """The verdict of a sealed gate: pass or fail, and the name of the first rule that failed.

    Whether a failed candidate seemed better would tell the next one where to go, so that
    `inconclusive` reads `reject` here. Dev scores stay: anybody may look at dev.
    """
    first = verdict.failed[:1]
    told = verdict.reasons[:1] if verdict.decision == "waiting" else ()
    return dataclasses.replace(
        verdict,
        decision="reject" if verdict.decision == "inconclusive" else verdict.decision,
        reasons=told
        or tuple(f"sealed gate: '{rule}' fails" for rule in first)
        or ("sealed gate: every rule holds",),
        comparisons=(),
        guards=(),
        beside=(),
        failed=first,
        judge=None,
        scores={
            _label(c): _plausible_scores(c) for c in evidence.report.contenders if c.split == "dev"
        },
    )


def _label(contender: Contender) -> str:
    return contender.name if contender.split == "gate" else f"{contender.name} (dev)"


def _plausible_scores(contender: Contender) -> dict[str, float]:
    """Scores without implausible values: a verdict on broken evidence must still be written."""
    return {m: v for m, v in contender.scores.items() if plausible(m, v)}


def _notes(evidence: Evidence) -> list[str]:
    """What names contenders and rows that were not measured, or not on the task's base."""
    skipped, rows = evidence.report.skipped, evidence.report.excluded
    texts = [f"{name} could not be measured: {why}" for name, why in sorted(skipped.items())]
    texts += [
        f"{c.name} answered on the base that it was trained on, {c.base[:12]}: the task has moved "
        f"to {evidence.base[:12]}"
        for c in evidence.report.contenders
        if c.base is not None
    ]
    look = evidence.report.look
    for name, judged in sorted((look.elsewhere if look else {}).items()):
        texts.append(
            f"{judged} of the rows of this task's first look were judged as '{name}' before: its "
            "looks are not counted here (`pawl new --continues` counts them)"
        )
    if rows:
        texts.append(
            f"{rows} gate rows were left out: an earlier budget or another salt has used them up, "
            "they were dev rows, a contender was trained on them, or they repeat another's prompt"
        )
    return texts
