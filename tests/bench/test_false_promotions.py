"""The bench of false promotions holds in small, and fails where the gate would let luck pass."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from pawl.config.judging import Gate
from pawl.core.records import Verdict
from pawl.gate.decide import decide
from pawl.gate.evidence import Evidence

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
import false_promotions
from falselab import judging


@pytest.mark.slow
def test_no_case_promotes_what_is_no_better_more_often_than_is_promised() -> None:
    done = subprocess.run(
        [sys.executable, false_promotions.__file__, "--quick"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    lines = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if "|" in line]
    cases = {cells[0]: cells[1:] for cells in lines if len(cells) == 9 and cells[0] != "case"}
    assert {"best of ten on dev, 300 rows", "sealed, attacker drifts, 300 rows"} <= cases.keys()
    for name, (_, _, _, _, bound, decided, wrong, _) in cases.items():
        assert float(bound.rstrip("%")) <= 5 or "contrast" in name
        assert int(decided.replace(",", "")) > 0
        assert wrong == "0"


def test_a_gate_that_lets_luck_pass_fails_the_bench(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lenient(evidence: Evidence, policy: Gate) -> Verdict:
        look = dataclasses.replace(evidence.report.look, level=0.02)
        report = dataclasses.replace(evidence.report, look=look)
        return decide(dataclasses.replace(evidence, report=report), policy)

    name = "one candidate a round, 300 rows, 10%"
    argv = ["false_promotions.py", "--only", name, "--sequences", "500"]
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(judging, "decide", lenient)
    with pytest.raises(SystemExit, match=f"does not hold: {name}"):
        false_promotions.main()
    assert "| 0 |" not in capsys.readouterr().out.splitlines()[2]
