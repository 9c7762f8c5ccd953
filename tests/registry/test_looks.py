"""A look pays for one question: whatever changes what is judged is another, and costs another."""

from __future__ import annotations

import dataclasses

import pytest
from conftest import TASK, Bench, held_out

from pawl.errors import DataError
from pawl.files import write_json, write_lines
from pawl.records import KnownRow, SplitReport, read_record, to_json, write_record
from pawl.registry.known import snapshot_known
from pawl.registry.looks import reserve_look


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
        known = KnownRow(row.key, row.id, "gate", row.messages, "yes", "tickets/other", 1)
        write_lines(files.known, [to_json(known)])
    assert reserve_look(bench.workspace, bench.store, TASK).number == 2


def test_a_look_that_makes_its_own_rows_known_does_not_change_its_question(bench: Bench) -> None:
    bench.train(1)
    first = reserve_look(bench.workspace, bench.store, TASK)
    snapshot_known(bench.workspace, bench.store, TASK)
    assert reserve_look(bench.workspace, bench.store, TASK) == first


def test_a_question_without_its_inputs_is_not_asked(bench: Bench) -> None:
    bench.train(1)
    bench.workspace.files(TASK).prompt.unlink()
    with pytest.raises(DataError, match=r"prompt\.md is not there"):
        reserve_look(bench.workspace, bench.store, TASK)
