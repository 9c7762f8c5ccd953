"""A fingerprint changes with all that a cycle depends on, and with nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pawl.config.judging import Evaluate, Gate
from pawl.config.schema import Check, Train, as_json, completed
from pawl.core.files import write_text
from pawl.errors import DataError
from pawl.workspace.fingerprints import SINCE_0_1, cycle_fingerprint
from pawl.workspace.paths import Workspace

# What a task's `train` and `evaluate` had in 0.1.
IN_0_1 = (
    "alpha batch_size dora dropout epochs learning_rate lora_plus max_length parallel precision "
    "processes rank seed targets"
)
GATE_IN_0_1 = "metric alpha looks spending min_rows floors guards slices forgetting disclosure"
EVALUATE_IN_0_1 = "shots max_new_tokens batch_size regex scorers bases endpoints"
OTHER: dict[str, Any] = {
    "schedule": "linear",
    "warmup": 0.1,
    "weight_decay": 0.01,
    "betas": [0.9, 0.999],
    "max_grad_norm": 0.3,
    "evaluations": 4,
    "keep": "best",
    "patience": 2,
    "start": "both",
}


CHECK_IN_0_1 = "min_rows drop_bad severity"
CHECK: dict[str, Any] = {"drop_long": True, "columns": {"id": "key"}, "turns": "all"}


def fingerprint(
    root: Path,
    base_folder: Path,
    *,
    evaluate: dict[str, Any] | None = None,
    check: dict[str, Any] | None = None,
    gate: dict[str, Any] | None = None,
    schema: str | None = None,
    **train: Any,
) -> str:
    section: dict[str, Any] = {
        "data": "d.jsonl",
        "base": {"model": str(base_folder)},
        "check": check or {},
        "split": {"salt": "s"},
        "train": train,
        "evaluate": evaluate or {},
        "gate": gate or {},
    }
    if schema:
        section["schema"] = "s.json"
        write_text(root / "s.json", schema)
    write_text(root / "params.yaml", json.dumps({"tasks": {"t": section}}))
    write_text(root / "d.jsonl", '{"id": "1", "prompt": "a", "completion": "b"}\n')
    return cycle_fingerprint(Workspace(root), "t", accepted=())


def test_a_key_that_came_since_0_1_counts_only_where_it_says_something_new(
    tmp_path: Path, base_folder: Path
) -> None:
    evaluating = {"baselines", "prompts", "schema_decoding", "answers"}
    judging = {"screen", "pairs", "matches", "approval", "approvals", "approval_hours"}
    assert {*OTHER, *CHECK, *evaluating, *judging} == set(SINCE_0_1)
    assert {*as_json(Check())} == {*CHECK_IN_0_1.split(), *CHECK}
    assert {*as_json(Train())} == {*IN_0_1.split(), *OTHER}
    assert {*as_json(Evaluate())} == {*EVALUATE_IN_0_1.split(), *evaluating}
    assert {*as_json(Gate())} == {*GATE_IN_0_1.split(), *judging}
    before = fingerprint(tmp_path, base_folder)
    default = {key: as_json(Train())[key] for key in OTHER}
    assert fingerprint(tmp_path, base_folder, **default) == before
    changed = {fingerprint(tmp_path, base_folder, **{key: value}) for key, value in OTHER.items()}
    assert len(changed | {before}) == len(OTHER) + 1
    assert fingerprint(tmp_path, base_folder, evaluate={"baselines": "full"}) == before
    default = {key: as_json(Check())[key] for key in CHECK}
    assert fingerprint(tmp_path, base_folder, check=default) == before
    read = {fingerprint(tmp_path, base_folder, check={key: v}) for key, v in CHECK.items()}
    assert len(read | {before}) == len(CHECK) + 1
    judged = fingerprint(tmp_path, base_folder, evaluate={"baselines": "judged"})
    assert judged not in {*changed, before}
    assert fingerprint(tmp_path, base_folder, gate={"screen": None, "matches": {}}) == before
    screened = fingerprint(tmp_path, base_folder, gate={"screen": 0.3})
    assert screened not in {*changed, judged, before}


def test_how_decoding_is_held_counts_and_where_it_is_not_nothing_is_new(
    tmp_path: Path, base_folder: Path
) -> None:
    before = fingerprint(tmp_path, base_folder, schema="{}")
    found = [
        fingerprint(tmp_path, base_folder, schema="{}", evaluate={"schema_decoding": how})
        for how in ("none", "baselines", "all")
    ]
    assert found[0] == before
    assert len(set(found)) == 3
    # Fields are written in the schema's order, which decides an answer where decoding is held.
    orders = ['{"properties": {"a": {}, "b": {}}}', '{"properties": {"b": {}, "a": {}}}']
    for how, count in (("none", 1), ("baselines", 2)):
        policy = {"schema_decoding": how}
        told = {fingerprint(tmp_path, base_folder, schema=o, evaluate=policy) for o in orders}
        assert len(told) == count


def test_a_prompt_of_the_users_own_counts_by_what_it_says(
    tmp_path: Path, base_folder: Path
) -> None:
    before = fingerprint(tmp_path, base_folder)
    assert fingerprint(tmp_path, base_folder, evaluate={"prompts": {}}) == before
    found = {before}
    for text in ("Be brief.", "Be brief!"):
        write_text(tmp_path / "own.md", text)
        found.add(fingerprint(tmp_path, base_folder, evaluate={"prompts": {"own": "own.md"}}))
    assert len(found) == 3
    write_text(tmp_path / "own.md", " \n")
    with pytest.raises(DataError, match=r"own\.md is empty"):
        fingerprint(tmp_path, base_folder, evaluate={"prompts": {"own": "own.md"}})


def test_a_judges_rubric_counts_by_what_it_says(tmp_path: Path, base_folder: Path) -> None:
    judge = {"url": "http://127.0.0.1:9/v1", "model": "m", "rubric": "rubric.md"}
    before = fingerprint(tmp_path, base_folder, gate={"metric": "preference"})
    found = {before}
    for text in ("The warmer one.", "The shorter one."):
        write_text(tmp_path / "rubric.md", text)
        gate = {"metric": "preference", "judge": judge}
        found.add(fingerprint(tmp_path, base_folder, gate=gate))
    assert len(found) == 3
    none = {"metric": "preference", "judge": None}
    assert fingerprint(tmp_path, base_folder, gate=none) == before


def test_a_section_that_an_earlier_version_stored_differs_only_in_what_was_changed() -> None:
    names = IN_0_1.split()
    stored = {"train": {name: value for name, value in as_json(Train()).items() if name in names}}
    assert completed(stored)["train"] == as_json(Train())
    assert completed({"train": {"rank": 8}})["train"]["rank"] == 8
