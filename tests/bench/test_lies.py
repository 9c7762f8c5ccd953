"""No lie in MLflow is believed: `bench/lies.py`, a few in the everyday run and all in the slow one.

That the nineteen which were tried first are told by `pawl verify`, and by the auditor with keys and
a remembered head, is more than the bench's own exit code asks.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LIES = Path(__file__).parents[2] / "bench" / "lies.py"
FEW = ("forged without a key", "all signatures stripped", "made-up verdict on")


def told(*words: str) -> dict[str, list[str]]:
    """Each lie, and what became of it by `pawl verify`, the next command and the auditor."""
    done = subprocess.run(
        [sys.executable, str(LIES), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()]
    return {row[0]: row[1:] for row in rows[2:]}


@pytest.mark.slow
def test_a_few_lies_are_told_by_the_next_command_and_by_the_auditor() -> None:
    rows = told("--only", *FEW)
    assert len(rows) == len(FEW)
    for lie, (_, by_command, by_auditor) in rows.items():
        assert (by_command, by_auditor) == ("told", "told"), lie


@pytest.mark.slow
def test_every_lie_is_told_or_without_effect() -> None:
    rows = told()
    tried_first = {lie: said for lie, said in rows.items() if not lie.startswith("+")}
    assert len(tried_first) == 19
    assert len(rows) - len(tried_first) >= 6
    for lie, (by_verify, _, by_auditor) in tried_first.items():
        # What is without effect, like a planted page, is not passed over in silence either.
        assert (by_verify, by_auditor) == ("told", "told"), lie
