"""Is the evidence whole? Missing, short, mismatched or non-finite evidence blocks (fail closed)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pawl.gate.forgetting import unmeasured
from pawl.params import Gate
from pawl.records import EvalReport, Score

CANDIDATE = "candidate"
CHAMPION = "champion"


@dataclass(frozen=True)
class Evidence:
    """What the gate judges: the evaluation report, its row scores, rows a split."""

    report: EvalReport
    scores: tuple[Score, ...]
    rows: dict[str, int]

    def values(self, contender: str, metric: str) -> list[float]:
        """The gate values of one contender in the order of row ids; call after `faults`."""
        rows = (s for s in self.scores if s.split == "gate" and s.contender == contender)
        return [s.values[metric] for s in sorted(rows, key=lambda s: s.id)]

    @property
    def contenders(self) -> list[str]:
        """Who answered gate rows on the task's base, in the order of the run.

        Contenders elsewhere (another base, a server) inform; they neither judge nor block.
        """
        elsewhere = {c.name for c in self.report.contenders if c.elsewhere}
        named = dict.fromkeys(s.contender for s in self.scores if s.split == "gate")
        return [name for name in named if name not in elsewhere]

    @property
    def baselines(self) -> list[str]:
        return [name for name in self.contenders if name not in (CANDIDATE, CHAMPION)]


def faults(evidence: Evidence, policy: Gate) -> list[str]:
    """Why this evidence cannot be judged, in words; empty where it can."""
    report = evidence.report
    if report.look is None:
        return ["no look was reserved: dev was scored, the gate rows stayed sealed"]
    needed = [CANDIDATE] + ([CHAMPION] if report.champion.version is not None else [])
    found = [f"'{name}' was not scored" for name in needed if name not in evidence.contenders]
    if not evidence.baselines:
        found.append("no baseline was scored: whether prompting would do is not known")
    if found:
        return found
    reference = _ids(evidence.scores, CANDIDATE)
    if len(reference) < policy.min_rows:
        found.append(f"{len(reference)} gate rows, the policy asks for at least {policy.min_rows}")
    metrics: set[str] = {policy.metric, *policy.floors, *policy.guards}
    for name in evidence.contenders:
        found += _row_faults(evidence.scores, name, reference, metrics)
    return found + unmeasured(report.general, policy)


def _row_faults(
    scores: Sequence[Score], name: str, reference: list[str], metrics: set[str]
) -> list[str]:
    ids = _ids(scores, name)
    if len(set(ids)) != len(ids):
        return [f"'{name}' has a row twice"]
    if ids != reference:
        return [f"'{name}' was scored on other rows than the candidate"]
    mine = [s for s in scores if s.split == "gate" and s.contender == name]
    found = []
    for metric in sorted(metrics):
        absent = sum(metric not in s.values for s in mine)
        odd = sum(not math.isfinite(s.values.get(metric, 0.0)) for s in mine)
        if absent:
            found.append(f"'{name}' has no {metric} in {absent} of {len(mine)} rows")
        if odd:
            found.append(f"'{name}' has a {metric} that is no finite number in {odd} rows")
    return found


def _ids(scores: Sequence[Score], contender: str) -> list[str]:
    return sorted(s.id for s in scores if s.split == "gate" and s.contender == contender)
