"""A job that runs every night gets over a damaged delivery by itself."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from test_cycle import answer, commit, edit

from pawl.workspace.paths import Workspace

ROWS = Path(__file__).parents[2] / "examples" / "tickets" / "v2.jsonl"
CATEGORIES = ("refund", "delivery", "damaged", "account", "billing", "other")


def damaged(row: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """The row as a join that went wrong leaves it: valid, and wrong in each field."""
    said = json.loads(row["completion"])
    said["category"] = draw.choice([name for name in CATEGORIES if name != said["category"]])
    said["urgency"], said["order"] = "low", None
    return {**row, "completion": json.dumps(said, separators=(",", ":"))}


@pytest.mark.slow  # some 20 minutes on two cores
@pytest.mark.timeout(3000)
@pytest.mark.server
def test_clean_larger_damaged_clean_ends_in_promote_promote_reject_promote_without_a_hand(
    quick_workspace: Workspace,
) -> None:
    rows = [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()]
    draw = random.Random(0)
    night = rows[1000:1300]
    deliveries = (
        rows[:400],
        rows[:1000],
        rows[:1000] + [damaged(row, draw) for row in night],
        rows[:1800],
    )
    edit(quick_workspace, "epochs: 1", "epochs: 10")
    edit(quick_workspace, "metric: exact_match", "metric: json_equal")
    edit(quick_workspace, "exact_match: 0.1", "json_equal: 0.1")
    edit(quick_workspace, "looks: 3", "looks: 4")
    commit(quick_workspace)
    for key, value in (("user.name", "Ada"), ("user.email", "ada@example.org")):
        subprocess.run(["git", "-C", quick_workspace.root, "config", key, value], check=True)
    found: list[Any] = []
    for number, delivery in enumerate(deliveries, start=1):
        path = quick_workspace.root.parent / f"delivery-{number}.jsonl"
        path.write_text("".join(f"{json.dumps(row)}\n" for row in delivery), encoding="utf-8")
        words = ("--task", "tickets", "--commit", f"delivery {number}")
        answer(quick_workspace, "data", "add", str(path), *words)
        code = 3 if len(found) == 2 else 0
        found.append(answer(quick_workspace, "run", "tickets", code=code))
    assert [cycle["verdict"] for cycle in found] == ["promote", "promote", "reject", "promote"]
    splits = json.loads((quick_workspace.files("tickets").splits / "manifest.json").read_text())
    assert splits["withdrawn"] == [3]
    assert splits["dropped"]["withdrawn"] > 30
    assert answer(quick_workspace, "verify", "tickets")
