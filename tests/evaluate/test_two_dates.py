"""A base whose template prints the date is judged alike on every day."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pawl.core.records import AdapterManifest, EvalReport, Timing, read_record
from pawl.data.check import check
from pawl.data.inputs import champion_profile, held_out_register, inputs
from pawl.data.split.split import split
from pawl.evaluate.external_inputs import external_inputs
from pawl.model.chat_template import CLOCK
from pawl.train.run import train
from pawl.workspace.paths import Workspace

TASK = "tickets"
# As Llama 3.x begins its template.
DATED = "{{ '<|system|>Today Date: ' + strftime_now('%d %b %Y') + '<|end|>' }}"
JUDGE = """
import datetime, sys
from pathlib import Path
from transformers.utils import chat_template_utils
class Day(datetime.datetime):
    now = classmethod(lambda cls, _=None: cls.fromisoformat(sys.argv[2]))
chat_template_utils.datetime = Day
from pawl.core.records import Champion, read_record
from pawl.evaluate.run import evaluate
from pawl.workspace.fingerprints import evaluation_fingerprint
from pawl.workspace.paths import Workspace
workspace = Workspace(Path(sys.argv[1]))
evaluate(workspace, "tickets")
champion = read_record(workspace.files("tickets").champion / "champion.json", Champion)
print(evaluation_fingerprint(workspace, "tickets", champion))
"""


@pytest.fixture
def dated(quick_workspace: Workspace, base_folder: Path) -> Workspace:
    """The quick workspace on a base whose prompts begin with the date."""
    base = shutil.copytree(base_folder, quick_workspace.root / "base" / "dated")
    template = (base / "chat_template.jinja").read_text(encoding="utf-8")
    (base / "chat_template.jinja").write_text(DATED + template, encoding="utf-8")
    text = quick_workspace.params_file.read_text(encoding="utf-8")
    text = text.replace(f"model: {base_folder}", "model: base/dated")
    quick_workspace.params_file.write_text(text, encoding="utf-8")
    return quick_workspace


@pytest.mark.slow
def test_a_template_that_prints_the_date_is_judged_on_two_dates_with_one_answer_key(
    dated: Workspace,
) -> None:
    for stage in (
        inputs,
        champion_profile,
        check,
        held_out_register,
        split,
        train,
        external_inputs,
    ):
        stage(dated, TASK)
    files = dated.files(TASK)
    manifest = read_record(files.adapter / "pawl.json", AdapterManifest)
    assert manifest.base.clock == CLOCK
    found = []
    for day in ("2026-11-28", "2027-03-01"):
        command = [sys.executable, "-c", JUDGE, str(dated.root), day]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        report = read_record(files.eval / "report.json", EvalReport)
        found.append((done.stdout, report, sorted(p.name for p in dated.answers.iterdir())))
    assert found[0] == found[1]
    assert len(found[0][2]) == 2, "one key for the adapter, one for its base alone"
    assert "dev/candidate" in read_record(files.eval / "timing.json", Timing).kept
