"""The GPU bench goes its whole way on any machine, with tiny shapes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_gpu_bench_checks_and_times_every_case_with_tiny_shapes() -> None:
    command = [sys.executable, str(ROOT / "bench" / "gpu.py"), "--tiny"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    assert sum(line.startswith("checked: ") for line in lines) == 4
    cells = [line.split("|")[1:-1] for line in lines if line.startswith("| pawl")]
    assert [cell[0].split(",")[1].strip() for cell in cells] == ["8B", "8B", "8B", "70B"]
    assert all(float(cell[1].replace(",", "")) > 0 for cell in cells)
