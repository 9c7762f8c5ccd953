"""The rules find what they are for, and a file that breaks one is not trained on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from pawl.data.check import check
from pawl.data.inputs import inputs
from pawl.errors import DataError
from pawl.records import CheckReport, read_record
from pawl.workspace import Workspace

Row = dict[str, Any]


def broken(rows: list[Row], name: str) -> list[Row]:
    """The rows with one fault in them."""
    faults: dict[str, Callable[[], list[Row]]] = {
        "row_count": lambda: rows[:20],
        "length": lambda: [{**rows[0], "prompt": "long " * 2000}, *rows[1:]],
        "contradictions": lambda: (
            rows
            + [
                {**r, "id": f"x{i}", "completion": rows[i - 1]["completion"]}
                for i, r in enumerate(rows[:9])
            ]
        ),
        "constant": lambda: [{**r, "completion": rows[0]["completion"]} for r in rows],
        "schema": lambda: [{**rows[0], "completion": '{"category": "nonsense"}'}, *rows[1:]],
    }
    return faults[name]()


@pytest.mark.parametrize("name", ["row_count", "length", "contradictions", "constant", "schema"])
def test_each_blocking_rule_finds_its_fault_and_blocks(
    quick_workspace: Workspace, name: str
) -> None:
    path = quick_workspace.root / "data" / "tickets.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    inputs(quick_workspace, "tickets")
    path.unlink()
    path.write_text("".join(json.dumps(row) + "\n" for row in broken(rows, name)))
    with pytest.raises(DataError, match=name):
        check(quick_workspace, "tickets")
    report = read_record(quick_workspace.files("tickets").check / "report.json", CheckReport)
    assert [rule.name for rule in report.rules if not rule.passed][:1] == [name]


def test_clean_rows_pass_every_rule(quick_workspace: Workspace) -> None:
    inputs(quick_workspace, "tickets")
    check(quick_workspace, "tickets")
    report = read_record(quick_workspace.files("tickets").check / "report.json", CheckReport)
    assert all(rule.passed for rule in report.rules)


def test_a_data_path_that_leaves_the_workspace_is_refused(quick_workspace: Workspace) -> None:
    with pytest.raises(Exception, match="leaves the workspace"):
        quick_workspace.inside(os.pardir + "/rows.jsonl")
