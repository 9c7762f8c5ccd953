"""A delivery that relabels held-out rows is stopped until a person signs it."""

from __future__ import annotations

import json

import pytest
from test_cycle import answer, pawl

from pawl.data.read.examples import read_examples
from pawl.data.split.split import assign_splits
from pawl.workspace.paths import Workspace

# Two whole cycles.
pytestmark = [pytest.mark.server, pytest.mark.slow]
OTHER = '{"category":"other","urgency":"low","order":null}'


def relabel(workspace: Workspace) -> tuple[str, bytes]:
    """Give one gate row another answer; its id, and the data as it was."""
    section = workspace.task("tickets")
    path = workspace.root / section.data
    before = path.read_bytes()
    gate = assign_splits(read_examples(path, "rows.jsonl").examples, section.split)["gate"]
    name = next(row.id for row in gate if row.completion != OTHER)
    rows = [json.loads(line) for line in before.splitlines()]
    rows = [row | {"completion": OTHER} if row["id"] == name else row for row in rows]
    path.unlink()
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name, before


def test_a_relabelled_gate_row_blocks_until_it_is_accepted_and_old_answers_do_not_come_back(
    quick_workspace: Workspace,
) -> None:
    assert pawl(quick_workspace, "run", "tickets").returncode in (0, 3, 4)
    assert pawl(quick_workspace, "accept", "tickets", "--reason", "none").returncode == 2
    name, before = relabel(quick_workspace)
    blocked = answer(quick_workspace, "run", "tickets", code=5)
    assert blocked["verdict"] == "invalid"
    assert f"{name} (gate): " in blocked["reasons"][0]
    assert "pawl accept tickets" in blocked["reasons"][-1]
    accepted = answer(quick_workspace, "accept", "tickets", "--reason", "the desk was wrong")
    assert [change["id"] for change in accepted["changes"]] == [name]
    judged = pawl(quick_workspace, "run", "tickets", "--json")
    assert json.loads(judged.stdout)["verdict"] in ("promote", "reject", "inconclusive")
    entry = answer(quick_workspace, "history", "tickets")[-1 if judged.returncode else -2]
    assert (entry["kind"], entry["version"]) == ("relabel", None)
    assert entry["why"] == "the desk was wrong"
    # The first delivery was answered, but with an answer that no longer counts.
    (quick_workspace.root / "data" / "tickets.jsonl").write_bytes(before)
    assert answer(quick_workspace, "run", "tickets", code=5)["verdict"] == "invalid"
