"""What this gate can see with these rows, before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass

from pawl.gate.decide import level
from pawl.gate.stats import rows_needed, smallest_gain
from pawl.params import Gate

# A better adapter still loses some rows that the old one had right; 2 % is common.
BREAKS = 0.02
WANTED = (0.02, 0.05, 0.10)


@dataclass(frozen=True)
class Sight:
    """`smallest_gain` is seen with 80 % power (None: no gain is); `rows_for` maps gain to rows."""

    rows: int
    level: float
    smallest_gain: float | None
    rows_for: dict[str, int]


def sight(rows: int, policy: Gate) -> Sight:
    """The smallest true gain in pass rate that one look at `rows` gate rows would see."""
    needed = level(policy)
    return Sight(
        rows=rows,
        level=needed,
        smallest_gain=smallest_gain(rows, level=needed, breaks=BREAKS),
        rows_for={f"{gain:.0%}": rows_needed(gain, level=needed, breaks=BREAKS) for gain in WANTED},
    )
