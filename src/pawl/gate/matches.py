"""`gate.matches`: the candidate must be proved to match contenders elsewhere, within a margin.

The question of who leaves a tune at somebody's server: is the adapter as good as what is lost? As a
guard, with the contender in the champion's place: only evidence against harm passes.
"""

from __future__ import annotations

from pawl.config.judging import Gate
from pawl.core.metrics import bounded, shown
from pawl.core.records import Comparison
from pawl.gate.evidence import CANDIDATE, Evidence
from pawl.gate.figures import interval_text
from pawl.gate.margins import not_worse, rows_to_settle
from pawl.gate.rules import Finding, paired
from pawl.gate.stats import interval


def matches(evidence: Evidence, policy: Gate) -> list[tuple[Comparison | None, Finding]]:
    """Each contender of `gate.matches`, by the gate's metric, at the policy's alpha.

    All must hold, so that no correction is needed (Berger 1982). One that was not measured cannot
    be matched: its rule does not hold, and a later cycle may still prove it.
    """
    return [
        _match(evidence, policy, name, margin) for name, margin in sorted(policy.matches.items())
    ]


def _match(
    evidence: Evidence, policy: Gate, name: str, margin: float
) -> tuple[Comparison | None, Finding]:
    rule, metric = f"matches {name}", policy.metric
    if not evidence.measured(name, metric):
        why = evidence.report.skipped.get(name, f"it has no {metric} of every row")
        text = f"has not been shown to match {name}, which could not be compared: {why}"
        return None, Finding(rule, False, False, text)
    gain, (mine, theirs), (won, lost) = paired(evidence.of(CANDIDATE), evidence.of(name), metric)
    p = not_worse(gain, margin, bounded=bounded(metric))
    found = Comparison(
        against=name,
        metric=metric,
        candidate=mine,
        other=theirs,
        wins=won,
        losses=lost,
        p=p(1.0),
        level=policy.alpha,
        passed=p(1.0) < policy.alpha,
        interval=interval(gain, bounded=bounded(metric)),
        margin=margin,
    )
    figures = (
        f"{metric} {shown(metric, mine)} against {shown(metric, theirs)}{interval_text(found)}, "
        f"{shown(metric, margin)} may be lost, {won} rows won, {lost} lost, p = {found.p:.2g} "
        f"(below {found.level:.2g} is asked)"
    )
    if found.passed:
        return found, Finding(rule, True, False, f"matches {name}: {figures}")
    # A loss beyond the margin is final; a smaller one only lacks rows.
    if gain.mean < -margin:
        return found, Finding(rule, False, True, f"falls behind {name}: {figures}")
    more = rows_to_settle(p, int(gain.sizes.sum()), level=policy.alpha)
    settle = f"; about {more} more gate rows would settle it" if more else ""
    return found, Finding(rule, False, False, f"may not match {name} yet: {figures}{settle}")
