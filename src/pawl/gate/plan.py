"""What this gate can see with these rows, before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass

from pawl.budget import level
from pawl.gate.stats import rows_needed, smallest_gain
from pawl.params import Gate

# A better adapter still loses some rows that the old one had right; 2 % is common.
BREAKS = 0.02
WANTED = (0.02, 0.05, 0.10)


@dataclass(frozen=True)
class Sight:
    """What one look sees with 80 % power; `rows_for` maps a wanted gain to gate rows.

    `level` and `smallest_gain` (None: no gain is seen) are those of the next look, `last_level`
    and `last_gain` of the budget's last.
    """

    rows: int
    level: float
    smallest_gain: float | None
    rows_for: dict[str, int]
    last_level: float
    last_gain: float | None


def sight(rows: int, policy: Gate, *, number: int = 1, nth: int = 1) -> Sight:
    """The smallest true gain in pass rate that the looks left at `rows` gate rows would see.

    Args:
        rows: gate rows to judge on.
        policy: the gate section of `params.yaml`.
        number: the next look's place in its budget, from 1.
        nth: which of the task's budgets pays for it, from 1; later ones have lower levels.
    """
    now, last = level(policy, number, nth=nth), level(policy, policy.looks, nth=nth)
    return Sight(
        rows=rows,
        level=now,
        smallest_gain=smallest_gain(rows, level=now, breaks=BREAKS),
        rows_for={f"{gain:.0%}": rows_needed(gain, level=now, breaks=BREAKS) for gain in WANTED},
        last_level=last,
        last_gain=smallest_gain(rows, level=last, breaks=BREAKS),
    )
