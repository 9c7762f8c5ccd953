"""The fault bench itself runs: a few faults of each kind, and the checker has nothing to say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FAULTS = Path(__file__).parents[2] / "bench" / "faults.py"


@pytest.mark.slow
def test_releases_that_are_killed_or_find_no_space_lose_nothing_and_a_rerun_converges() -> None:
    done = subprocess.run(
        [sys.executable, str(FAULTS), "--quick"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    for part in ("kills", "disk"):
        assert f"| {part}: violations | 0 |" in done.stdout
    assert "| kills: all kills | 0 |" not in done.stdout
    assert "ended with a clear error" in done.stdout


@pytest.mark.slow
@pytest.mark.server
def test_eight_processes_that_die_behind_a_bad_network_lose_nothing() -> None:
    command = [sys.executable, str(FAULTS), "--only", "server", "--operations", "60"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "| server: violations | 0 |" in done.stdout


@pytest.mark.slow
def test_a_whole_run_that_is_killed_interrupted_or_doubled_ends_as_if_nothing_had_happened() -> (
    None
):
    command = [sys.executable, str(FAULTS), "--only", "command", "--commands", "3", "--seed", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "| command: violations | 0 |" in done.stdout
    assert "| command: all faults | 3 |" in done.stdout
