"""A look pays for one question: whatever changes what is judged is another, and costs another."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
import yaml
from workbench import TASK, Bench, held_out, write_splits

from pawl.commands.plan import plan
from pawl.config.schema import Split
from pawl.core.files import write_json, write_lines
from pawl.core.records import (
    AdapterManifest,
    HeldOutRow,
    SplitReport,
    read_record,
    to_json,
    write_record,
)
from pawl.core.row_identity import row_hashes
from pawl.cycle.snapshots import snapshot_champion, snapshot_held_out
from pawl.data.read.examples import read_examples
from pawl.data.split.split import assign_splits
from pawl.errors import DataError
from pawl.ledger.looks import refuse_without_look, reserve_look
from pawl.model.adapter import MANIFEST


@pytest.mark.parametrize("change", ["schema", "prompt", "slices", "other salt's rows"])
def test_whatever_a_judgement_depends_on_asks_a_new_question_and_costs_a_look(
    bench: Bench, change: str
) -> None:
    files = bench.workspace.files(TASK)
    bench.train(1)
    assert reserve_look(bench.workspace, bench.store, TASK).number == 1
    manifest = files.splits / "manifest.json"
    if change == "schema":
        write_json(files.schema, {"type": "object"})
    elif change == "prompt":
        files.prompt.write_text("Answer with nonsense.", encoding="utf-8")
    elif change == "slices":
        split = read_record(manifest, SplitReport)
        write_record(manifest, dataclasses.replace(split, slice_by="region", group_by="customer"))
    else:
        row = held_out("gate", 1)[0]
        known = HeldOutRow(row.key, row.id, "gate", row.messages, "yes", "tickets/other", 1)
        write_lines(files.held_out_register, [to_json(known)])
    assert reserve_look(bench.workspace, bench.store, TASK).number == 2


def test_a_look_that_makes_its_own_rows_known_does_not_change_its_question(bench: Bench) -> None:
    bench.train(1)
    first = reserve_look(bench.workspace, bench.store, TASK)
    snapshot_held_out(bench.workspace, bench.store, TASK)
    assert reserve_look(bench.workspace, bench.store, TASK) == first


def test_rows_that_came_back_without_a_slice_are_named_before_a_look_is_spent_on_them(
    bench: Bench,
) -> None:
    bench.train(1)
    reserve_look(bench.workspace, bench.store, TASK)
    # Slices are guarded from now on, and a delivery without gate-0 has them.
    file = bench.workspace.params_file
    params = yaml.safe_load(file.read_text())
    params["tasks"][TASK]["split"]["slice_by"] = "region"
    params["tasks"][TASK]["gate"]["slices"] = 0.1
    file.write_text(yaml.safe_dump(params))
    back, *there = held_out("gate", 20)
    sliced = [dataclasses.replace(row, fields={"region": "north"}) for row in there]
    dev, train = held_out("dev", 8), held_out("train", 80)
    write_splits(bench.workspace, {"train": train, "dev": dev, "gate": [*sliced, back]})
    with pytest.raises(DataError, match=r"1 gate rows .* 'region' in the register, first gate-0"):
        reserve_look(bench.workspace, bench.store, TASK)
    write_splits(bench.workspace, {"train": train, "dev": dev, "gate": sliced})
    assert reserve_look(bench.workspace, bench.store, TASK).number == 2


def test_a_question_without_its_inputs_is_not_asked(bench: Bench) -> None:
    bench.train(1)
    bench.workspace.files(TASK).prompt.unlink()
    with pytest.raises(DataError, match=r"prompt\.md is not there"):
        reserve_look(bench.workspace, bench.store, TASK)


@pytest.mark.slow
def test_the_plan_promises_no_look_on_rows_that_the_champion_learned(
    bench: Bench, base_folder: Path
) -> None:
    root, files = bench.workspace.root, bench.workspace.files(TASK)
    (root / "base").mkdir()
    (root / "base" / "tiny").symlink_to(base_folder)
    rows = [{"prompt": f"question {n}", "completion": "yes"} for n in range(200)]
    write_lines(root / "data" / "tickets.jsonl", rows)
    parts = assign_splits(
        read_examples(root / "data" / "tickets.jsonl", "rows.jsonl").examples, Split("s1")
    )
    write_splits(bench.workspace, parts)
    bench.train(1)
    manifest = read_record(files.adapter / "pawl.json", AdapterManifest)
    learned = tuple(found for row in parts["train"] for found in row_hashes(row))
    write_record(files.adapter / "pawl.json", dataclasses.replace(manifest, trained_on=learned))
    champion = snapshot_champion(bench.workspace, bench.store, TASK)
    bench.judge("promote", champion, reserve_look(bench.workspace, bench.store, TASK))
    assert bench.conclude("q").champion.version == 1

    text = bench.workspace.params_file.read_text()
    bench.workspace.params_file.write_text(text.replace("salt: s1", "salt: s2\n      gate: 0.4"))
    said = plan(bench.workspace, bench.store, TASK)
    dealt = assign_splits(
        read_examples(root / "data" / "tickets.jsonl", "rows.jsonl").examples, Split("s2", gate=0.4)
    )
    dev = {row.key for row in parts["dev"]}
    assert len([row for row in dealt["gate"] if row.key not in dev]) > said.fresh_rows.needed
    assert said.fresh_rows.there == said.gate.rows == 0
    assert said.says.startswith("no look can be had")


def test_a_cycle_that_no_look_could_judge_is_refused_before_it_trains(bench: Bench) -> None:
    bench.params(looks=1, min_rows=5)
    refuse_without_look(bench.workspace, bench.store, TASK)
    bench.train(1)
    champion = snapshot_champion(bench.workspace, bench.store, TASK)
    look = reserve_look(bench.workspace, bench.store, TASK)
    # Paid for, and its judgement is still to come: the cycle may be started again anywhere.
    shutil.rmtree(bench.workspace.files(TASK).adapter)
    refuse_without_look(bench.workspace, bench.store, TASK)
    bench.train(1)
    bench.judge("reject", champion, look)
    bench.conclude("question 1")
    with pytest.raises(DataError, match="has used its 1 looks; 0 gate rows are fresh, 20 open"):
        refuse_without_look(bench.workspace, bench.store, TASK)


def test_rows_that_an_earlier_candidate_learned_are_fresh_for_the_next_one(bench: Bench) -> None:
    """A new salt gives the gate rows that a candidate, which was never released, was trained on."""
    files = bench.workspace.files(TASK)
    bench.train(1)
    manifest = files.adapter / MANIFEST
    learned = tuple(row.key for row in held_out("gate", 20))
    before = read_record(manifest, AdapterManifest)
    write_record(manifest, dataclasses.replace(before, trained_on=learned))
    refuse_without_look(bench.workspace, bench.store, TASK)
    with pytest.raises(DataError, match="0 gate rows are fresh"):
        reserve_look(bench.workspace, bench.store, TASK)
