"""The plan speaks of the rows that the next look will judge on, in whatever state the budget is."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pawl.commands.plan import plan
from pawl.core.alpha_budget import LookCost
from pawl.core.records import Champion
from pawl.core.records.commands import FreshRows
from pawl.data.read.examples import read_examples
from pawl.data.split.split import assign_splits
from pawl.ledger.held_out import store_new_rows
from pawl.ledger.ledger import append
from pawl.report.plan import serving_text
from pawl.store.client import Store, open_store
from pawl.workspace.paths import Workspace

TASK = "tickets"


@pytest.fixture
def store(quick_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return open_store(quick_workspace)


def deliver(workspace: Workspace, rows: list[dict[str, Any]]) -> None:
    path = workspace.root / "data" / "tickets.jsonl"
    path.unlink(missing_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def rows_of(slice_: str, count: int) -> list[dict[str, Any]]:
    return [
        {"prompt": f"{slice_} {n}", "completion": f"{n % 7}", "desk": slice_} for n in range(count)
    ]


def spend(workspace: Workspace, store: Store, *, level: float) -> None:
    """One look, as `reserve_look` writes it, that takes the whole budget."""
    section = workspace.task(TASK)
    parts = assign_splits(
        read_examples(workspace.root / "data" / "tickets.jsonl", "rows.jsonl").examples,
        section.split,
    )
    split = f"{TASK}/{section.split.salt}"
    held = {name: parts[name] for name in ("dev", "gate")}
    charge = LookCost(level, section.gate.alpha, 1, len(parts["gate"]))
    details = {
        "lineage": split,
        "question": "q",
        "of": 1,
        **dataclasses.asdict(charge),
        **store_new_rows(store, TASK, split, held),
    }
    append(
        store, TASK, op_id="look:1", kind="look", expected=Champion(), new=None, who="Ada",
        why="a test", details=details,
    )  # fmt: skip


def policy(workspace: Workspace) -> None:
    text = workspace.params_file.read_text(encoding="utf-8")
    text = text.replace("gate: 0.2", "gate: 0.2\n      slice_by: desk")
    text = text.replace("      looks: 3", "      looks: 1\n      slices: 0.2")
    text = text.replace("    schema: data/tickets.schema.json\n", "")
    text = text.replace("      schema_decoding: baselines\n", "")
    workspace.params_file.write_text(text, encoding="utf-8")


@pytest.mark.slow
def test_after_a_spent_budget_the_plan_speaks_of_the_fresh_rows_and_of_them_alone(
    quick_workspace: Workspace, store: Store
) -> None:
    policy(quick_workspace)
    old = rows_of("old", 200)
    deliver(quick_workspace, old)
    first = plan(quick_workspace, store, TASK)
    gate = first.rows["gate"]
    assert (first.gate.rows, first.unprovable) == (gate, ())
    deliver(quick_workspace, old * 2)
    assert plan(quick_workspace, store, TASK).gate == first.gate, "a copy is no new row"
    deliver(quick_workspace, old)

    spend(quick_workspace, store, level=0.025)
    spent = plan(quick_workspace, store, TASK)
    assert spent.gate.rows == 0
    assert spent.fresh_rows == FreshRows(there=0, needed=gate)
    assert spent.says.startswith(f"no look can be had: {gate} gate rows that no look has scored")

    # Rows of other desks than before; one of the two is rare.
    deliver(quick_workspace, [*old, *rows_of("new", 300), *rows_of("rare", 30)])
    again = plan(quick_workspace, store, TASK)
    assert again.looks.budget == 2
    assert again.gate.rows == again.rows["gate"] - gate
    assert again.gate.level == pytest.approx(0.05 / 6)
    assert again.unprovable == ("slice rare",), "what is judged has no row of the old desk"


def test_ten_rows_see_nothing_and_the_plan_says_what_opens_a_budget(
    quick_workspace: Workspace, store: Store
) -> None:
    policy(quick_workspace)
    deliver(quick_workspace, rows_of("old", 10))
    said = plan(quick_workspace, store, TASK)
    assert said.gate.smallest_gain is None
    assert said.says.startswith("no look can be had: 5 gate rows")
    assert set(said.gate.rows_for) == {"2%", "5%", "10%"}


def test_a_plan_needs_no_more_of_a_base_than_its_config(
    quick_workspace: Workspace, store: Store, base_folder: Path
) -> None:
    alone = quick_workspace.root / "outline"
    alone.mkdir()
    shutil.copy(base_folder / "config.json", alone)
    text = quick_workspace.params_file.read_text(encoding="utf-8")
    quick_workspace.params_file.write_text(text.replace(str(base_folder), "outline"))
    assert quick_workspace.task(TASK).base.model == "outline"
    facts = plan(quick_workspace, store, TASK)
    assert facts.prompt_tokens == {}
    assert facts.training.fits


@pytest.mark.parametrize(
    ("rank", "dora", "says"),
    [(16, False, ""), (32, False, "--max-lora-rank 32"), (8, True, "export --merged")],
)
def test_what_servers_of_others_do_not_take_is_said_before_it_is_trained(
    rank: int, dora: bool, says: str
) -> None:
    said = serving_text(rank=rank, dora=dora)
    assert (says in said) if says else not said
