"""Records of an evaluation: a score a row, a summary a contender, what a call saves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pawl.core.records.ledger import Champion, Look
from pawl.core.records.review import AskedJudge

# Weights of a base that is judged: unpacked, or as NF4.
Weights = Literal["dense", "nf4"]


@dataclass(frozen=True)
class Score:
    """One contender's answer to one held-out row; `values` maps metric to value.

    Rows with the same `group` are no independent evidence; `slice` is guarded by itself. `whole` is
    False where the answer was given up, as it could no longer be right.
    """

    id: str
    key: str
    contender: str
    split: Literal["dev", "gate"]
    output: str
    values: dict[str, float]
    group: str | None = None
    slice: str | None = None
    whole: bool = True

    @property
    def shown(self) -> str:
        """The answer as people read it: one that was given up ends in an ellipsis."""
        return self.output if self.whole else f"{self.output} …"


@dataclass(frozen=True)
class Contender:
    """One contender's summary: the mean of each metric, and mean tokens a row.

    `adapter` is its adapter's digest, None for a base with a prompt alone. `fields` maps each
    top-level field of JSON answers to its accuracy and F1. `elsewhere` names what it ran on where
    that is not the task's base: such a contender is compared with, not judged by. `base` is the
    digest of a champion's own base where the task has moved to another: it is judged by all the
    same. `by_schema`: its decoding was held to the task's JSON Schema.
    """

    name: str
    split: Literal["dev", "gate"]
    rows: int
    scores: dict[str, float]
    prompt_tokens: float | None
    output_tokens: float | None
    adapter: str | None = None
    fields: dict[str, dict[str, float]] = field(default_factory=dict)
    elsewhere: str | None = None
    base: str | None = None
    by_schema: bool = False


@dataclass(frozen=True)
class EvalReport:
    """What `evaluate` writes. `gate` digests the gate rows that were scored, None without a look.

    `scores` digests the row scores; `skipped` has the reason why a contender was not measured;
    `general` maps base, candidate and champion to the perplexity of a general text, `weights` is
    how the task's base was held, `same_as_base` says that the base alone answers every dev row as
    the candidate does; `judge` has compared the pairs of answers, and `scorer_code` digests the
    code of each of the task's own scorers. Wall times are in timing.json beside it, so that the
    same evidence has the same bytes.
    """

    task: str
    base: str
    candidate: str
    champion: Champion
    look: Look | None
    gate: str | None
    excluded: int
    contenders: tuple[Contender, ...]
    skipped: dict[str, str]
    scores: str
    general: dict[str, float] = field(default_factory=dict)
    weights: Weights = "dense"
    same_as_base: bool = False
    judge: AskedJudge | None = None
    scorer_code: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Timing:
    """Mean seconds a row, by `split/contender`, and the contenders whose answers were cached.

    The time of a cached answer is that of its decoding.
    """

    seconds_per_row: dict[str, float]
    kept: tuple[str, ...] = ()


@dataclass(frozen=True)
class Worth:
    """Is the adapter worth having: what it gains and saves against the best prompted baseline.

    `gain` is in the metric's own unit, positive where the adapter is better; `beaten`: luck is
    ruled out. `prompt_tokens`, `output_tokens`, `seconds` and `cost` are what one call saves,
    `training` what the training cost, `calls` after how many calls it has paid for itself; None
    where it is not known (`calls`: or never). `says` is all of it in words.
    """

    against: str
    metric: str
    gain: float
    beaten: bool
    prompt_tokens: float | None
    output_tokens: float | None
    seconds: float | None
    cost: float | None
    training: float | None
    calls: int | None
    says: tuple[str, ...]
