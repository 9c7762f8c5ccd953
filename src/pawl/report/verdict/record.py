"""What the verdict page shows: the cycle's own records, put side by side."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pawl.core.records import CheckReport, Contender, Cycle, Training, Verdict
from pawl.gate.flips import Changed, Flip
from pawl.gate.power import Sight
from pawl.gate.slices import SliceScores


@dataclass(frozen=True)
class Flips:
    """Gate rows that the candidate won and lost `against` another contender in `metric`."""

    against: str
    metric: str
    won: tuple[Flip, ...]
    lost: tuple[Flip, ...]


@dataclass(frozen=True)
class Since:
    """What is new since the champion `version` was trained.

    `rows` are the changes of its train rows, None where they cannot be read any more; `params` has
    the parameters that differ by dotted key: then, now.
    """

    version: int
    rows: Changed | None
    params: dict[str, tuple[Any, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class VerdictPage:
    """One cycle for a person. What was not measured, or is sealed, is None or empty.

    `verdict` is None where nothing was judged; `contenders` are those on gate rows, `seconds` their
    mean seconds a row; `sealed`: nothing that was measured on gate rows is here.
    """

    cycle: Cycle
    when: str
    verdict: Verdict | None = None
    sealed: bool = False
    check: CheckReport | None = None
    contenders: tuple[Contender, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    flips: Flips | None = None
    slices: tuple[SliceScores, ...] = ()
    training: Training | None = None
    since: Since | None = None
    sight: Sight | None = None
    left_out: tuple[str, ...] = ()
