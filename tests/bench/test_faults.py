"""The fault bench itself runs: a few kills of each kind, and the checker has nothing to say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FAULTS = Path(__file__).parents[2] / "bench" / "faults.py"


@pytest.mark.slow
def test_releases_that_are_killed_lose_nothing_and_a_rerun_converges() -> None:
    done = subprocess.run(
        [sys.executable, str(FAULTS), "--quick"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "| kills: violations | 0 |" in done.stdout
    assert "| kills: all kills | 0 |" not in done.stdout
