"""Records of a judgement: comparisons and the verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pawl.core.records.ledger import Champion, Look

# `waiting`: people are to compare answers before anything is decided.
Decision = Literal["promote", "reject", "inconclusive", "unchanged", "invalid", "waiting"]


@dataclass(frozen=True)
class Comparison:
    """Candidate against one other contender on the same rows.

    `wins` and `losses` count the rows that one of the two did better; `p` is the one-sided
    probability of such rows if the candidate were no better (a guard: worse by `margin` or more);
    `level` what it must fall below. `interval` is the 95 % confidence interval of the difference a
    row, above 0 where the candidate is better; None where a single group gives none. `shrunken` is
    a proven gain once it is allowed for that only gains this clear are reported.
    """

    against: str
    metric: str
    candidate: float
    other: float
    wins: int
    losses: int
    p: float
    level: float
    passed: bool
    interval: tuple[float, float] | None = None
    margin: float | None = None
    slice: str | None = None
    shrunken: float | None = None


@dataclass(frozen=True)
class Calibration:
    """How far a judge can be believed, by the pairs of this look.

    Of `labels` pairs that people compared they told `told` apart, and the judge chose as they did
    in `agreed`, one where it leans nowhere being half: `least` is the lower end of that share with
    95 % confidence, above `floor` is asked. It compared `pairs` pairs, each in both orders: `first`
    and `second` of `both` such comparisons chose that place whoever stood there. A repeat changed
    `flips` of `repeated` votes, and `unclear` of `votes` named no choice.

    `informs` says why it takes no part in the verdict, '' where it does; `share` is then how often
    the candidate is preferred, by the judge and corrected by people, and `p` the probability of it.
    `counted`: whether it might have taken part, for all that was known before anybody was asked.
    """

    model: str
    labels: int
    told: int
    agreed: float
    least: float
    floor: float
    pairs: int
    both: int
    first: int
    second: int
    repeated: int
    flips: int
    votes: int
    unclear: int
    informs: str
    counted: bool
    share: float | None = None
    p: float | None = None


@dataclass(frozen=True)
class Verdict:
    """The judgement, with its reasons in words and the digests of what it was made from.

    `comparisons` are with those who must be beaten, `beside` with contenders elsewhere. `failed`
    names the rules that do not hold: under `gate.disclosure: sealed` the first alone, and what was
    measured on gate rows is nowhere in the record. `edition` is that of the rules it was derived
    by, for `pawl replay`; None stands for the first. `judge` is what the task's judge is worth,
    `scorer_code` digests the code of each of the task's own scorers, as it was.
    """

    task: str
    decision: Decision
    reasons: tuple[str, ...]
    candidate: str | None
    champion: Champion
    look: Look | None
    comparisons: tuple[Comparison, ...]
    scores: dict[str, dict[str, float]]
    rows: dict[str, int]
    parents: dict[str, str] = field(default_factory=dict)
    guards: tuple[Comparison, ...] = ()
    beside: tuple[Comparison, ...] = ()
    failed: tuple[str, ...] = ()
    edition: int | None = None
    judge: Calibration | None = None
    scorer_code: dict[str, str] = field(default_factory=dict)
