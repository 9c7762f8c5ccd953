"""The promotion rules by name: beat the champion and every baseline, break no guard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pawl.config.judging import Gate
from pawl.core.metrics import bounded, judged, shown, sign
from pawl.core.records import Comparison, Score
from pawl.gate.better import better
from pawl.gate.evidence import CANDIDATE, CHAMPION, Evidence
from pawl.gate.figures import elsewhere_text, interval_text, shrunken_text
from pawl.gate.margins import P, holm, not_worse, rows_to_settle
from pawl.gate.stats import Units, gain_after_selection, interval, units

# 2: the unconditional McNemar test; each guard is proved by itself; gains are shrunken; where no
# row differs, nothing was decided.
EDITION = 2


@dataclass(frozen=True)
class Finding:
    """The outcome of one rule: does it hold, is failing it final, and the reason as text."""

    rule: str
    holds: bool
    final: bool
    text: str


@dataclass(frozen=True)
class _Guard:
    """One guard or slice: its rows' differences and its p."""

    rule: str
    metric: str
    slice: str | None
    margin: float
    gain: Units
    p: P
    means: tuple[float, float]
    won_lost: tuple[int, int]


def compare(
    evidence: Evidence, policy: Gate, *, level: float, edition: int
) -> list[tuple[Comparison, Finding]]:
    """Compare the candidate with the champion, if there is one, and with every baseline.

    The best baseline comes first. Which one is best is itself estimated on these rows, so all are
    tested; beating each at `level` needs no correction (Berger 1982, intersection-union test).
    """
    names = [CHAMPION] if evidence.report.champion.version is not None else []
    mean = {n: sign(policy.metric) * _mean(evidence, n, policy) for n in evidence.baselines}
    names += sorted(mean, key=mean.__getitem__, reverse=True)
    compared = (
        _compare(evidence, policy.metric, name, level=level, edition=edition) for name in names
    )
    return [(c, _superiority_finding(c, gain, p, edition=edition)) for c, gain, p in compared]


def compare_elsewhere(
    evidence: Evidence, policy: Gate, *, level: float, edition: int
) -> list[tuple[Comparison, Finding]]:
    """Compare the candidate with contenders on another base or a server, if they have the metric.

    Does the small tuned model match the large prompted one? Reported only; it decides nothing.
    """
    found = []
    for name, where in evidence.elsewhere.items():
        if evidence.measured(name, policy.metric):
            c, *_ = _compare(evidence, policy.metric, name, level=level, edition=edition)
            found.append((c, Finding(f"beside {name}", True, False, elsewhere_text(c, where))))
    return found


def floors(evidence: Evidence, policy: Gate) -> list[Finding]:
    """A first champion must also reach absolute floors; later ones are compared with the last."""
    if evidence.report.champion.version is not None:
        return []
    found = []
    for metric, floor in sorted(policy.floors.items()):
        value = float(np.mean(evidence.values(CANDIDATE, metric)))
        verb = "reaches" if value >= floor else "misses"
        text = f"{verb} the floor for a first champion: {metric} {value:.1%} of {floor:.1%}"
        found.append(Finding(f"floor {metric}", value >= floor, True, text))
    return found


def guards(evidence: Evidence, policy: Gate, *, edition: int) -> list[tuple[Comparison, Finding]]:
    """Every guard and every slice must be proved non-inferior to the champion within its margin.

    Each at the policy's alpha: all must hold, so that true harm in any of them passes with that
    probability at most (Berger 1982, intersection-union test). In edition 1 they were one Holm
    family. A guard that the rows cannot prove does not hold.
    """
    if evidence.report.champion.version is None:
        return []
    family = [
        _guard(evidence, f"guard {metric}", metric, margin)
        for metric, margin in sorted(policy.guards.items())
    ]
    if policy.slices is not None:
        names = sorted({s.slice for s in evidence.of(CANDIDATE) if s.slice})
        family += [
            _guard(evidence, f"slice {name}", policy.metric, policy.slices, only=name)
            for name in names
        ]
    alone = [guard.p(1.0) for guard in family]
    tested = holm(alone) if edition == 1 else alone
    sharing = len(family) if edition == 1 else 1
    return [
        _guard_finding(guard, p, level=policy.alpha, sharing=sharing)
        for guard, p in zip(family, tested, strict=True)
    ]


def _compare(
    evidence: Evidence, metric: str, other: str, *, level: float, edition: int
) -> tuple[Comparison, Units, P]:
    gain, (mine, theirs), (won, lost) = paired(evidence.of(CANDIDATE), evidence.of(other), metric)
    p = better(gain, level=level, bounded=bounded(metric), edition=edition)
    passed = p(1.0) < level and gain.mean > 0
    shrinks = passed and edition > 1
    c = Comparison(
        against=other,
        metric=metric,
        candidate=mine,
        other=theirs,
        wins=won,
        losses=lost,
        p=p(1.0),
        level=level,
        passed=passed,
        interval=interval(gain, bounded=bounded(metric)),
        shrunken=gain_after_selection(gain, bounded=bounded(metric), level=level)
        if shrinks
        else None,
    )
    return c, gain, p


def _superiority_finding(c: Comparison, gain: Units, p: P, *, edition: int) -> Finding:
    """The finding on one comparison; final if the mean difference is 0 or less.

    Where no row differs nothing was decided: neither is better by a metric that tells them apart in
    no row, and prompting has not won.
    """
    rule = "beats champion" if c.against == CHAMPION else "beats prompting"
    figures = (
        f"{c.metric} {shown(c.metric, c.candidate)} against {shown(c.metric, c.other)} of "
        f"{c.against}{interval_text(c)}, {c.wins} rows won, {c.losses} lost, p = {c.p:.2g} "
        f"(below {c.level:.2g} is asked)"
    )
    if c.passed:
        return Finding(rule, True, False, f"beats {c.against}: {figures}{shrunken_text(c)}")
    if not (c.wins or c.losses) and edition > 1:
        text = (
            f"cannot be told from {c.against}: no row differs in {c.metric}, "
            f"{shown(c.metric, c.candidate)} for both, so that nothing was decided; if they answer "
            "differently all the same, judge by a metric that sees it (`gate.metric`)"
        )
        return Finding(rule, False, False, text)
    if gain.mean <= 0:
        lost = gain.mean < 0 or edition == 1
        wins = " Prompting wins." if lost and c.against != CHAMPION else ""
        return Finding(rule, False, True, f"is no better than {c.against}: {figures}.{wins}")
    more = rows_to_settle(p, int(gain.sizes.sum()), level=c.level)
    settle = f"; about {more} more gate rows would settle it" if more else ""
    text = f"may be better than {c.against} by luck: {figures}{settle}"
    return Finding(rule, False, False, text)


def _guard(
    evidence: Evidence, rule: str, metric: str, margin: float, *, only: str | None = None
) -> _Guard:
    mine, theirs = (
        [s for s in evidence.of(name) if only is None or s.slice == only]
        for name in (CANDIDATE, CHAMPION)
    )
    gain, means, won_lost = paired(mine, theirs, metric)
    p = not_worse(gain, margin, bounded=bounded(metric))
    return _Guard(rule, metric, only, margin, gain, p, means, won_lost)


def _guard_finding(
    guard: _Guard, p: float, *, level: float, sharing: int
) -> tuple[Comparison, Finding]:
    (mine, theirs), (won, lost) = guard.means, guard.won_lost
    c = Comparison(
        against=CHAMPION,
        metric=guard.metric,
        candidate=mine,
        other=theirs,
        wins=won,
        losses=lost,
        p=p,
        level=level,
        passed=p < level,
        interval=interval(guard.gain, bounded=bounded(guard.metric)),
        margin=guard.margin,
        slice=guard.slice,
    )
    name = f"slice {guard.slice}" if guard.slice else f"guard on {guard.metric}"
    figures = (
        f"{guard.metric} {shown(c.metric, mine)} against {shown(c.metric, theirs)} of the champion"
        f"{interval_text(c)}, {shown(c.metric, guard.margin)} may be lost, p = {p:.2g} "
        f"(below {level:.2g} is asked)"
    )
    if c.passed:
        return c, Finding(guard.rule, True, False, f"keeps the {name}: {figures}")
    # A loss beyond the margin is final; a smaller one only lacks rows.
    if guard.gain.mean < -guard.margin:
        return c, Finding(guard.rule, False, True, f"breaks the {name}: {figures}")
    more = rows_to_settle(guard.p, int(guard.gain.sizes.sum()), level=level / sharing)
    where = "of this slice " if guard.slice else ""
    settle = f"; about {more} more gate rows {where}would settle it" if more else ""
    return c, Finding(guard.rule, False, False, f"has not proved the {name}: {figures}{settle}")


def paired(
    mine: Sequence[Score], theirs: Sequence[Score], metric: str
) -> tuple[Units, tuple[float, float], tuple[int, int]]:
    """Differences by unit (above 0: the candidate is better), both means, rows won and lost."""
    a, b = (np.array([judged(metric, s.values[metric]) for s in rows]) for rows in (mine, theirs))
    gain = sign(metric) * (a - b)
    means = float(a.mean()), float(b.mean())
    return (
        units(gain, [s.group for s in mine]),
        means,
        (int((gain > 0).sum()), int((gain < 0).sum())),
    )


def _mean(evidence: Evidence, name: str, policy: Gate) -> float:
    return float(np.mean(evidence.values(name, policy.metric)))
