"""Gate rows are scored for a reserved look alone."""

from __future__ import annotations

import pytest

from pawl.core.records import EvalReport, Verdict, read_record
from pawl.workspace.paths import Workspace
from pawl.workspace.stages import reproduce


@pytest.mark.slow
def test_without_a_look_dvc_goes_as_far_as_the_dev_scores_and_judges_nothing(
    quick_workspace: Workspace,
) -> None:
    reproduce(quick_workspace, "gate", "tickets")
    files = quick_workspace.files("tickets")
    report = read_record(files.eval / "report.json", EvalReport)
    assert [(c.name, c.split) for c in report.contenders] == [("candidate", "dev")]
    assert report.weights == "dense"
    verdict = read_record(files.verdict, Verdict)
    assert verdict.decision == "invalid"
    assert "no look was reserved" in verdict.reasons[0]
    files.look.write_text('{"look": {"number": 1, "of": 3, "question": "made up", "level": 0.01}}')
    reproduce(quick_workspace, "gate", "tickets")
    report = read_record(files.eval / "report.json", EvalReport)
    assert {c.split for c in report.contenders} == {"dev"}, "a forged look must not open the gate"
