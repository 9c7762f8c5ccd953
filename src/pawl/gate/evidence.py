"""Is the evidence complete? Missing, mismatched or non-finite evidence blocks (fail closed)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from pawl.config.judging import Gate
from pawl.core.files import digest_json
from pawl.core.metrics import FALL, OF_TOKENS, PREFERENCE, judged
from pawl.core.records import EvalReport, Opinion, Review, Score
from pawl.gate.forgetting import unmeasured

CANDIDATE = "candidate"
CHAMPION = "champion"
# The champion's adapter on the new base of a task that has moved; informative.
CARRIED = "carried"
# `+inf` comes back from some stores as 1.8e308, the largest float.
HUGE = 1e300


@dataclass(frozen=True)
class Evidence:
    """What the gate judges: the evaluation report, its row scores, and row counts by split.

    `base` is the digest of the base at the start of the cycle; `review` holds what people said of
    pairs of answers, where that is asked, `opinions` what a judge said of them.
    """

    report: EvalReport
    scores: tuple[Score, ...]
    rows: dict[str, int]
    base: str
    review: Review | None = None
    opinions: tuple[Opinion, ...] | None = None

    def of(self, contender: str) -> tuple[Score, ...]:
        """The gate scores of one contender in the order of row ids; empty if it has none."""
        return self._judged.get(contender, ())

    def on_dev(self, contender: str) -> tuple[Score, ...]:
        """The dev scores of one contender; empty if it has none."""
        return tuple(s for s in self.scores if (s.split, s.contender) == ("dev", contender))

    def values(self, contender: str, metric: str) -> list[float]:
        """One metric of one contender's gate rows in the order of row ids; call after `faults`."""
        return [judged(metric, score.values[metric]) for score in self.of(contender)]

    @property
    def contenders(self) -> list[str]:
        """Contenders with gate rows on the task's base, in the order of the run."""
        return [name for name in self._judged if name not in self.elsewhere]

    @property
    def elsewhere(self) -> dict[str, str]:
        """Contenders on another base or a server, and where: informative only."""
        return {c.name: c.elsewhere for c in self.report.contenders if c.elsewhere}

    def measured(self, contender: str, metric: str) -> bool:
        """Whether the contender has this metric in all rows that the candidate answered."""
        return not _row_faults(contender, self.of(contender), self.of(CANDIDATE), [metric])

    @property
    def baselines(self) -> list[str]:
        return [name for name in self.contenders if name not in (CANDIDATE, CHAMPION)]

    @cached_property
    def _judged(self) -> dict[str, tuple[Score, ...]]:
        rows: dict[str, list[Score]] = {}
        for score in self.scores:
            if score.split == "gate":
                rows.setdefault(score.contender, []).append(score)
        return {name: tuple(sorted(mine, key=lambda s: s.id)) for name, mine in rows.items()}


def faults(evidence: Evidence, policy: Gate) -> list[str]:
    """The reasons why this evidence cannot be judged; empty if it can."""
    found = _policy_faults(evidence, policy)
    if evidence.report.base != evidence.base:
        found.append(
            f"the evaluation ran on base {evidence.report.base[:12]}, the cycle began with "
            f"{evidence.base[:12]}"
        )
    needed = [CANDIDATE] + ([CHAMPION] if evidence.report.champion.version is not None else [])
    found += [f"'{name}' was not scored" for name in needed if name not in evidence.contenders]
    if not evidence.baselines:
        found.append("no baseline was scored: whether prompting would do is not known")
    if found:
        return found
    reference = evidence.of(CANDIDATE)
    if len(reference) < policy.min_rows:
        found.append(f"{len(reference)} gate rows, the policy asks for at least {policy.min_rows}")
    found += _base_faults(evidence, policy)
    deciding = {policy.metric} - {PREFERENCE}
    metrics = sorted({*deciding, *policy.floors, *policy.guards})
    for name in evidence.contenders:
        # Baselines are compared by the one metric, and may have answers that were given up by it.
        judged_by = [*deciding] if name in evidence.baselines else metrics
        found += _row_faults(name, evidence.of(name), reference, judged_by)
        read = name not in evidence.baselines or policy.metric == PREFERENCE
        if read and not all(s.whole for s in evidence.of(name)):
            found.append(f"'{name}' has answers that were given up before their end")
    if policy.slices is not None and (missing := sum(score.slice is None for score in reference)):
        found.append(f"the policy guards slices, but {missing} of {len(reference)} rows have none")
    found += unmeasured(evidence.report.general, policy)
    return found or [*_digest_faults(evidence), *_report_faults(evidence)]


def plausible(metric: str, value: float) -> bool:
    """Whether the value lies in the metric's range; NaN, infinity and its stand-ins do not."""
    return 0 <= value < HUGE if metric in FALL else 0 <= value <= 1


def _policy_faults(evidence: Evidence, policy: Gate) -> list[str]:
    found = []
    if not policy.metric:
        found.append("the policy is empty: it names no metric that must be better")
    # Who is preferred to the best prompt has reached a floor.
    floored = policy.floors or policy.metric == PREFERENCE
    if evidence.report.champion.version is None and not floored:
        found.append("the policy has no floors: a first champion must reach at least one")
    look = evidence.report.look
    if look is not None and not 0 < look.level < 0.5:
        found.append(f"the look's level is {look.level}, it must lie between 0 and 0.5")
    return found


def _base_faults(evidence: Evidence, policy: Gate) -> list[str]:
    """A contender on a base of its own that is no champion, or cannot be compared with one."""
    moved = [c for c in evidence.report.contenders if c.base not in (None, evidence.base)]
    found = [f"'{c.name}' answered on another base" for c in moved if c.name != CHAMPION]
    odd = sorted({policy.metric, *policy.guards}.intersection(OF_TOKENS))
    if moved and odd:
        found.append(f"{' and '.join(odd)} count tokens: they compare no adapters of two bases")
    return found


def _digest_faults(evidence: Evidence) -> list[str]:
    ids = [s.id for s in evidence.scores if s.split == "gate" and s.contender == CANDIDATE]
    reported = evidence.report.gate
    if reported == digest_json(ids):
        return []
    return [
        f"the scored rows are not the gate rows that the report names ({(reported or '')[:12]})"
    ]


def _report_faults(evidence: Evidence) -> list[str]:
    """Contenders, adapters or row counts in which the report and the scores differ."""
    report, found = evidence.report, []
    scored = Counter((score.contender, score.split) for score in evidence.scores)
    reported = Counter({(c.name, c.split): c.rows for c in report.contenders})
    if len(reported) != len(report.contenders):
        found.append("the report names a contender twice")
    for name, split in sorted(scored.keys() | reported.keys()):
        actual, stated = scored[name, split], reported[name, split]
        if actual != stated:
            found.append(f"'{name}' has {actual} {split} rows, the report says {stated}")
    champion = report.champion.digest
    adapters = {CANDIDATE: report.candidate, CHAMPION: champion, CARRIED: champion}
    for contender in report.contenders:
        expected = adapters.get(contender.name)
        if contender.adapter != expected:
            found.append(
                f"'{contender.name}' answered with {_adapter(contender.adapter)}, the report is "
                f"about {_adapter(expected)}"
            )
    scored_rows, split_rows = len(evidence.of(CANDIDATE)), evidence.rows.get("gate", 0)
    if scored_rows + report.excluded != split_rows:
        found.append(
            f"{scored_rows} gate rows were scored and {report.excluded} left out, "
            f"the split has {split_rows}"
        )
    return found


def _adapter(digest: str | None) -> str:
    return "no adapter" if digest is None else f"adapter {digest[:12]}"


def _row_faults(
    name: str, mine: Sequence[Score], reference: Sequence[Score], metrics: list[str]
) -> list[str]:
    ids = [score.id for score in mine]
    if len(set(ids)) != len(ids):
        return [f"'{name}' has a row twice"]
    if [(s.id, s.key) for s in mine] != [(s.id, s.key) for s in reference]:
        return [f"'{name}' was scored on other rows than the candidate"]
    if any((a.group, a.slice) != (b.group, b.slice) for a, b in zip(mine, reference, strict=True)):
        return [f"'{name}' has rows in other groups or slices than the candidate"]
    found = []
    for metric in metrics:
        absent = sum(metric not in s.values for s in mine)
        odd = [v for s in mine if not plausible(metric, v := s.values.get(metric, 0.0))]
        if absent:
            found.append(f"'{name}' has no {metric} in {absent} of {len(mine)} rows")
        if odd:
            what = "no finite number" if not math.isfinite(odd[0]) else "out of its range"
            found.append(f"'{name}' has a {metric} that is {what} in {len(odd)} rows")
    return found
