"""What `pawl report` returns: a task over all its judged cycles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pawl.core.records.commands import HistoryEntry, LooksLeft


@dataclass(frozen=True)
class JudgedVersion:
    """One judged adapter; what is not known is None.

    `own` is its score in the evaluation that judged it, on `own_rows` rows; `same` that on the rows
    that all versions of the report share. `hours` its training took, `cost` at the prices of then;
    `looks_left` of its budget after its look. `when` is UTC in ISO 8601.
    """

    version: int
    when: str
    verdict: str
    released: bool
    rows: dict[str, int]
    own: float | None
    own_rows: int | None
    same: float | None
    hours: float | None
    cost: float | None
    looks_left: int | None


@dataclass(frozen=True)
class TrainingSpent:
    """Training of all versions of the report, and a version that was released; None: not known."""

    hours: float | None
    cost: float | None
    released: int
    hours_each: float | None
    cost_each: float | None


@dataclass(frozen=True)
class TaskReport:
    """A task over its judged cycles, oldest first; `notes` say what could not be read.

    `metric` is the deciding one, `split` that of the `same_rows` rows that all these versions
    answered: dev where the gate is sealed. Scores of different evaluations are compared on those
    alone. `changes` are releases, relabels and retirements.
    """

    task: str
    metric: str
    split: Literal["dev", "gate"]
    same_rows: int
    champion: int | None
    versions: tuple[JudgedVersion, ...]
    changes: tuple[HistoryEntry, ...]
    looks: LooksLeft | None
    spent: TrainingSpent
    notes: tuple[str, ...]
