"""The bench of judges holds in small, and fails where a gate would believe a judge."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
import judge
from judgelab.looks import Looks


@pytest.mark.slow
def test_no_judge_promotes_what_is_no_better_more_often_than_is_promised() -> None:
    done = subprocess.run(
        [sys.executable, judge.__file__, "--quick"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert done.stdout.count("| 50 of 300 |") == 10


def test_a_gate_that_believes_a_judge_as_it_is_fails_the_bench(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def believed(found: Looks, level: float, *, floor: float) -> tuple[np.ndarray, np.ndarray]:
        part = np.ones(len(found.people), bool)
        return found.leans.mean(1) > 0.3, part

    monkeypatch.setattr(judge, "passed", believed)
    assert not judge.null(("always the candidate", 50, 300, 0.2), 40, 7)
    line = capsys.readouterr().out
    assert "| 100.00% |" in line
