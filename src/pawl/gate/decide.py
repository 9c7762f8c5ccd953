"""The judgement: evidence and policy in, verdict out. Pure, so that it can be replayed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from pawl.config.schema import Gate
from pawl.core.records import Comparison, Contender, Decision, Verdict
from pawl.gate.evidence import Evidence, faults, plausible
from pawl.gate.forgetting import forgetting
from pawl.gate.rules import Finding, beside, compare, floors, guards


def decide(
    evidence: Evidence, policy: Gate, *, parents: Mapping[str, str] | None = None
) -> Verdict:
    """Judge the candidate.

    promote: every rule holds. reject: a rule fails for good (not better than another contender,
    a floor missed, a guard broken). inconclusive: as well as asked, but luck is not ruled out.
    invalid: the evidence cannot be judged. Under `disclosure: sealed` the verdict says no more
    than `sealed` lets it.

    Args:
        evidence: what the evaluation left.
        policy: the gate section of `params.yaml`; the level comes from the look.
        parents: digests of the files that the evidence was read from.
    """
    report = evidence.report
    compared: list[tuple[Comparison, Finding]] = []
    guarded: list[tuple[Comparison, Finding]] = []
    informed: list[tuple[Comparison, Finding]] = []
    if report.look is None:
        says = "no look was reserved: dev was scored, the gate rows stayed sealed"
        findings = [Finding("look", False, True, says)]
    elif broken := faults(evidence, policy):
        findings = [Finding("evidence", False, True, says) for says in broken]
    else:
        compared = compare(evidence, policy, level=report.look.level)
        guarded = guards(evidence, policy)
        findings = [finding for _, finding in compared]
        findings += floors(evidence, policy) + [finding for _, finding in guarded]
        if policy.forgetting is not None:
            holds, says = forgetting(report.general, policy.forgetting)
            findings.append(Finding("forgetting", holds, True, says))
        informed = beside(evidence, policy, level=report.look.level)
        findings += [finding for _, finding in informed]
    verdict = Verdict(
        task=report.task,
        decision=_decision(findings) if compared else "invalid",
        reasons=(*(f.says for f in findings), *_left_out(evidence)),
        candidate=report.candidate,
        champion=report.champion,
        look=report.look,
        comparisons=tuple(comparison for comparison, _ in compared),
        scores={_named(c): _measured(c) for c in report.contenders},
        rows=evidence.rows,
        parents=dict(parents or {}),
        guards=tuple(comparison for comparison, _ in guarded),
        beside=tuple(comparison for comparison, _ in informed),
        failed=tuple(dict.fromkeys(f.rule for f in findings if not f.holds)),
    )
    return sealed(verdict, evidence) if policy.disclosure == "sealed" else verdict


def sealed(verdict: Verdict, evidence: Evidence) -> Verdict:
    """What a sealed gate says: pass or fail, and the name of the first rule that failed.

    Whether a failed candidate seemed better would tell the next one where to go, so that
    `inconclusive` reads `reject` here. Dev scores stay: anybody may look at dev.
    """
    first = verdict.failed[:1]
    return dataclasses.replace(
        verdict,
        decision="reject" if verdict.decision == "inconclusive" else verdict.decision,
        reasons=tuple(f"sealed gate: '{rule}' fails" for rule in first)
        or ("sealed gate: every rule holds",),
        comparisons=(),
        guards=(),
        beside=(),
        failed=first,
        scores={_named(c): _measured(c) for c in evidence.report.contenders if c.split == "dev"},
    )


def _decision(findings: list[Finding]) -> Decision:
    failed = [f for f in findings if not f.holds]
    if not failed:
        return "promote"
    return "reject" if any(f.final for f in failed) else "inconclusive"


def _named(contender: Contender) -> str:
    return contender.name if contender.split == "gate" else f"{contender.name} (dev)"


def _measured(contender: Contender) -> dict[str, float]:
    """A summary without what is no number: a verdict on broken evidence must still be written."""
    return {m: v for m, v in contender.scores.items() if plausible(m, v)}


def _left_out(evidence: Evidence) -> list[str]:
    """Contenders and rows that were not measured: a champion that never met them should say so."""
    skipped, rows = evidence.report.skipped, evidence.report.excluded
    says = [f"{name} could not be measured: {why}" for name, why in sorted(skipped.items())]
    if rows:
        says.append(
            f"{rows} gate rows were left out: an earlier budget or another salt has used them up, "
            "they were dev rows, a contender was trained on them, or they repeat another's prompt"
        )
    return says
