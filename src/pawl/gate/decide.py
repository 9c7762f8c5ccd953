"""The judgement: evidence and policy in, verdict out. Pure, so that it can be replayed."""

from __future__ import annotations

from dataclasses import dataclass

from pawl.gate.evidence import CANDIDATE, CHAMPION, Evidence, faults
from pawl.gate.forgetting import forgetting
from pawl.gate.stats import more_rows, paired_p
from pawl.params import Gate
from pawl.records import Comparison, Decision, Verdict


@dataclass(frozen=True)
class Finding:
    """What one rule says: does it hold, is failing it final, and the sentence for a person."""

    holds: bool
    final: bool
    says: str


def decide(evidence: Evidence, policy: Gate, *, parents: dict[str, str]) -> Verdict:
    """Judge the candidate.

    promote: every rule holds. reject: a rule fails for good (not better than another contender,
    a floor or guard missed). inconclusive: better, but luck is not ruled out. invalid: the
    evidence cannot be judged.

    Args:
        parents: digests of the files that the evidence was read from.
    """
    report = evidence.report
    broken = faults(evidence, policy)
    comparisons = [] if broken else _comparisons(evidence, policy)
    findings = [_beaten(c, len(_of(evidence, policy))) for c in comparisons]
    if not broken:
        findings += _floors(evidence, policy) + _guards(evidence, policy)
        findings += _forgetting(evidence, policy)
    return Verdict(
        task=report.task,
        decision="invalid" if broken else _decision(findings),
        reasons=(*(broken or [f.says for f in findings]), *_left_out(evidence)),
        candidate=report.candidate,
        champion=report.champion,
        look=report.look,
        comparisons=tuple(comparisons),
        scores={
            (c.name if c.split == "gate" else f"{c.name} (dev)"): c.scores
            for c in report.contenders
        },
        rows=evidence.rows,
        parents=parents,
    )


def level(policy: Gate) -> float:
    """What p must fall below in one look: an even part of alpha (Bonferroni over all looks)."""
    return policy.alpha / policy.looks


def _decision(findings: list[Finding]) -> Decision:
    failed = [f for f in findings if not f.holds]
    if not failed:
        return "promote"
    return "reject" if any(f.final for f in failed) else "inconclusive"


def _comparisons(evidence: Evidence, policy: Gate) -> list[Comparison]:
    """Candidate against the champion, where there is one, and against the best baseline."""
    best = max(evidence.baselines, key=lambda name: _mean(evidence.values(name, policy.metric)))
    against = [CHAMPION] if evidence.report.champion.version is not None else []
    return [_compare(evidence, policy, name) for name in [*against, best]]


def _compare(evidence: Evidence, policy: Gate, name: str) -> Comparison:
    mine, other = _of(evidence, policy), evidence.values(name, policy.metric)
    p = paired_p(mine, other)
    return Comparison(
        against=name,
        metric=policy.metric,
        candidate=_mean(mine),
        other=_mean(other),
        wins=sum(a > b for a, b in zip(mine, other, strict=True)),
        losses=sum(a < b for a, b in zip(mine, other, strict=True)),
        p=p,
        level=level(policy),
        passed=p < level(policy) and _mean(mine) > _mean(other),
    )


def _beaten(c: Comparison, rows: int) -> Finding:
    figures = (
        f"{c.metric} {c.candidate:.1%} against {c.other:.1%} of {c.against}, "
        f"{c.wins} rows won, {c.losses} lost, p = {c.p:.2g} (below {c.level:.2g} is asked)"
    )
    if c.passed:
        return Finding(True, False, f"beats {c.against}: {figures}")
    if c.candidate <= c.other:
        wins = "" if c.against == CHAMPION else " Prompting wins."
        return Finding(False, True, f"is no better than {c.against}: {figures}.{wins}")
    more = more_rows(c.wins, c.losses, rows, level=c.level)
    settle = f"; about {more} more gate rows would settle it" if more else ""
    return Finding(False, False, f"may be better than {c.against} by luck: {figures}{settle}")


def _left_out(evidence: Evidence) -> list[str]:
    """Contenders that could not be measured: a champion that never met them should say so."""
    skipped = evidence.report.skipped
    return [f"{name} could not be measured: {why}" for name, why in sorted(skipped.items())]


def _floors(evidence: Evidence, policy: Gate) -> list[Finding]:
    """A first champion must also reach absolute floors; later ones are measured by the last."""
    if evidence.report.champion.version is not None:
        return []
    found = []
    for metric, floor in sorted(policy.floors.items()):
        value = _mean(evidence.values(CANDIDATE, metric))
        verb = "reaches" if value >= floor else "misses"
        says = f"{verb} the floor for a first champion: {metric} {value:.1%} of {floor:.1%}"
        found.append(Finding(value >= floor, True, says))
    return found


def _guards(evidence: Evidence, policy: Gate) -> list[Finding]:
    if evidence.report.champion.version is None:
        return []
    found = []
    for metric, margin in sorted(policy.guards.items()):
        drop = _mean(evidence.values(CHAMPION, metric)) - _mean(evidence.values(CANDIDATE, metric))
        holds = drop <= margin
        verb = "keeps" if holds else "breaks"
        says = f"{verb} the guard on {metric}: {-drop:+.1%} to the champion, {-margin:.1%} allowed"
        found.append(Finding(holds, True, says))
    return found


def _forgetting(evidence: Evidence, policy: Gate) -> list[Finding]:
    if policy.forgetting is None:
        return []
    holds, says = forgetting(evidence.report.general, policy.forgetting)
    return [Finding(holds, True, says)]


def _of(evidence: Evidence, policy: Gate) -> list[float]:
    return evidence.values(CANDIDATE, policy.metric)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
