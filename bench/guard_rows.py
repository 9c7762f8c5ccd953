"""How many gate rows does it take to prove that a guard holds when nothing has changed?

    python bench/guard_rows.py

At 5 %, and at 5 % / 21, as the first of a family of 21 needed under Holm (edition 1 of the rules):
rows none of which differs, and rows of which 2 % were won and 2 % lost.
"""

from __future__ import annotations

import numpy as np

from pawl.gate.margins import not_worse
from pawl.gate.stats import units

ALPHA, CHURN = 0.05, 0.02


def main() -> None:
    print("| margin | family | no row differs | 2 % won, 2 % lost |\n|---:|---:|---:|---:|")
    for margin in (0.02, 0.05, 0.10):
        for family in (1, 21):
            found = (rows_for(margin, ALPHA / family, churn) for churn in (0.0, CHURN))
            print(f"| {100 * margin:.0f} points | {family} | {' | '.join(map(str, found))} |")


def rows_for(margin: float, level: float, churn: float) -> int:
    """The fewest rows, to a hundredth, that prove it."""
    rows = 10
    while True:
        gain, moved = np.zeros(rows), round(churn * rows)
        gain[:moved], gain[moved : 2 * moved] = 1, -1
        if not_worse(units(gain, [None] * rows), margin, bounded=True)(1.0) < level:
            return rows
        rows += max(1, rows // 100)


if __name__ == "__main__":
    main()
