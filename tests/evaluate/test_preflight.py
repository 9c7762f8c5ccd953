"""What would make the evaluation fail fails before anything is trained."""

from __future__ import annotations

import dataclasses
import json

import pytest

from pawl.core.files import write_lines
from pawl.core.records import Message, read_rows
from pawl.data.inputs import inputs
from pawl.errors import BaseError, DataError, ParamsError
from pawl.evaluate.preflight import preflight
from pawl.model.device import LIBRARIES, Device
from pawl.workspace.paths import Workspace

TASK = "tickets"


def edit(workspace: Workspace, old: str, new: str) -> None:
    text = workspace.params_file.read_text(encoding="utf-8")
    assert old in text
    workspace.params_file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_longest_prompts_are_reported_and_a_held_out_row_that_does_not_fit_blocks(
    split_workspace: Workspace,
) -> None:
    files = split_workspace.files(TASK)
    preflight(split_workspace, TASK)
    prompts = json.loads(files.preflight.read_text())
    assert prompts.keys() == {"fit", "zero-shot", "few-shot", "built-prompt"}
    assert 0 < prompts["zero-shot"] < prompts["few-shot"] <= prompts["fit"]
    for name in ("dev", "gate"):
        path = files.splits / f"{name}.jsonl"
        plain = path.read_bytes()
        first, *rest = read_rows(path)
        long = dataclasses.replace(first, messages=(Message("user", "word " * prompts["fit"]),))
        write_lines(path, map(dataclasses.asdict, [long, *rest]))
        with pytest.raises(
            DataError, match=f"'zero-shot' has a prompt of .*, {prompts['fit']} fit"
        ):
            preflight(split_workspace, TASK)
        path.write_bytes(plain)
    allowed = split_workspace.task(TASK).evaluate.max_new_tokens
    edit(split_workspace, f"max_new_tokens: {allowed}", "max_new_tokens: 5000")
    with pytest.raises(DataError, match=r"'zero-shot' .*, 0 fit") as none:
        preflight(split_workspace, TASK)
    assert "lower `evaluate.max_new_tokens`" in none.value.remedy


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("return missing", "raised NameError"),
        ("return 2", "returned 2"),
        ("return float('nan')", "returned nan"),
        ("return 'good'", "returned 'good'"),
    ],
)
def test_a_scorer_that_fails_on_right_answers_is_reported(
    split_workspace: Workspace, code: str, says: str
) -> None:
    name = f"own_{abs(hash(code))}"
    (split_workspace.root / f"{name}.py").write_text(f"def mine(a, b):\n    {code}\n")
    edit(split_workspace, "    evaluate:", f"    evaluate:\n      scorers: {{mine: '{name}:mine'}}")
    with pytest.raises(DataError, match=f"'mine' {says}.* on row 't-"):
        preflight(split_workspace, TASK)


@pytest.mark.slow
def test_a_base_that_cannot_be_judged_here_is_refused_before_anything_is_trained(
    split_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Device("a small machine", cuda=False, memory=LIBRARIES + (20 << 20), here=True)
    monkeypatch.setattr("pawl.evaluate.preflight.here", lambda: small)
    with pytest.raises(BaseError, match="cannot be judged on a small machine") as refused:
        preflight(split_workspace, TASK)
    assert "a device with" in refused.value.remedy
    assert not split_workspace.files(TASK).preflight.exists()


def test_a_schema_that_decoding_cannot_be_held_to_is_refused_before_anything_is_trained(
    split_workspace: Workspace,
) -> None:
    preflight(split_workspace, TASK)
    path = split_workspace.root / str(split_workspace.task(TASK).schema)
    schema = json.loads(path.read_text())
    path.write_text(json.dumps(schema | {"not": {"required": ["nobody"]}}))
    inputs(split_workspace, TASK)
    with pytest.raises(ParamsError, match="cannot be held to the task's schema") as refused:
        preflight(split_workspace, TASK)
    assert '"not"' in refused.value.found
    edit(split_workspace, "schema_decoding: baselines", "schema_decoding: none")
    preflight(split_workspace, TASK)
