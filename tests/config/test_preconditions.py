"""A section that names what the workspace's files do not have is refused before a cycle begins."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pawl.errors import DataError, ParamsError
from pawl.workspace.paths import Workspace

SCORERS = """
from math import sqrt as root
if True:
    def close_enough(answer, reference):
        raise SystemExit("a scorer's module is not run by reading params.yaml")
raise SystemExit("nor is its top level")
"""


def written(root: Path, **parts: dict[str, Any]) -> Workspace:
    """A workspace with rows that have a customer, a schema without an enum, and scorers."""
    section: dict[str, Any] = {"data": "d.jsonl", "schema": "s.json", "base": {"model": "b"}}
    section |= {"split": {"salt": "s"}, "check": {}, "train": {}, "evaluate": {}, "gate": {}}
    for name, part in parts.items():
        section[name] = section[name] | part
    (root / "params.yaml").write_text(yaml.safe_dump({"tasks": {"t": section}}))
    row = {"id": "1", "prompt": "p", "completion": "c", "customer": "Ada"}
    (root / "d.jsonl").write_text(f"{json.dumps(row)}\n")
    (root / "s.json").write_text('{"properties": {"city": {"type": "string"}}}')
    (root / "mine.py").write_text(SCORERS)
    (root / "broken.py").write_text("def f(:")
    return Workspace(root)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        ("mine:close_enuogh", "did you mean 'close_enough'?"),
        ("mnie:close_enough", "did you mean 'mine'?"),
        ("mine.deeper:close_enough", "mine.deeper is no module of this workspace"),
        ("broken:f", "broken.py is no Python"),
        ("no_such_package_at_all:f", "is no module of this workspace"),
        ("timeit:timeit", "write the function into a file of the workspace"),
        ("yaml:dump", "is no module of this workspace"),
        ("mine:root", "mine.py defines no 'root'"),
    ],
)
def test_a_scorer_that_no_file_defines_is_refused_without_running_any(
    tmp_path: Path, function: str, says: str
) -> None:
    workspace = written(tmp_path, evaluate={"scorers": {"own": function}})
    with pytest.raises(ParamsError) as caught:
        workspace.checked_task("t")
    assert says in str(caught.value)
    assert caught.value.found.startswith("params.yaml:")
    # What moves no data and asks no question is not kept from working.
    assert workspace.task("t").evaluate.scorers == {"own": function}


@pytest.mark.parametrize("function", ["mine:close_enough"])
def test_a_scorer_that_is_there_is_not_run(tmp_path: Path, function: str) -> None:
    workspace = written(tmp_path, evaluate={"scorers": {"own": function}})
    workspace.checked_task("t")
    assert "mine" not in sys.modules


@pytest.mark.parametrize("option", ["group_by", "slice_by"])
def test_a_key_that_no_row_has_is_bad_data_named_with_the_nearest_one(
    tmp_path: Path, option: str
) -> None:
    with pytest.raises(DataError, match=rf"split.{option} = 'custmer'") as caught:
        written(tmp_path, split={option: "custmer"}).checked_task("t")
    assert caught.value.remedy == "did you mean 'customer'?"
    written(tmp_path, split={option: "customer"}).checked_task("t")


def test_enum_valid_needs_a_field_with_an_enum(tmp_path: Path) -> None:
    workspace = written(tmp_path, gate={"guards": {"enum_valid": 0.1}})
    with pytest.raises(ParamsError, match="no field with an `enum`"):
        workspace.checked_task("t")
    (tmp_path / "s.json").write_text('{"properties": {"city": {"enum": ["Rome", "Bonn"]}}}')
    workspace.checked_task("t")


def test_files_that_are_not_there_yet_or_broken_are_for_their_stage_to_say(tmp_path: Path) -> None:
    policy = {"gate": {"guards": {"enum_valid": 0.1}}, "split": {"slice_by": "x"}}
    workspace = written(tmp_path, **policy)  # type: ignore[arg-type]
    (tmp_path / "s.json").write_text("{")
    (tmp_path / "d.jsonl").unlink()
    workspace.checked_task("t")
