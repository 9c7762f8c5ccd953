"""Records of a cycle: its candidate and its result."""

from __future__ import annotations

from dataclasses import dataclass

from pawl.core.records.evaluate import Worth
from pawl.core.records.gate import Decision
from pawl.core.records.ledger import Champion


@dataclass(frozen=True)
class Candidate:
    """The adapter that a cycle judged: its version in the registry, None if it never got one."""

    version: int | None = None
    digest: str | None = None


@dataclass(frozen=True)
class Cycle:
    """The result of a cycle: `pawl run --json` prints it and its MLflow run carries it.

    `champion` is the champion after the cycle; `scores` maps contender to metric to value; `worth`
    is None without a comparison with a baseline, or under a sealed gate. `stale`: the champion was
    replaced while the candidate was judged, so that nothing was applied.
    """

    task: str
    verdict: Decision
    reasons: tuple[str, ...]
    candidate: Candidate
    champion: Champion
    scores: dict[str, dict[str, float]]
    rows: dict[str, int]
    run_id: str | None = None
    worth: Worth | None = None
    stale: bool = False
