"""A task goes on from another one: its looks, its alpha and its rows count under the new name."""

from __future__ import annotations

import dataclasses
import importlib
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from workbench import TASK, Bench, write_adapter

from pawl.core.records import Relabel
from pawl.core.records.ledger import Look
from pawl.errors import DataError, RegistryError, UsageError
from pawl.ledger.carry_over import carry_over
from pawl.ledger.held_out import accept, held_out_rows
from pawl.ledger.ledger import counting_entries, model
from pawl.ledger.looks import reserve_look
from pawl.ledger.state import read_ledger, read_state
from pawl.store.client import open_store

NEW, NEWEST = "letters", "notes"


def as_task(bench: Bench, task: str) -> None:
    """Give the workspace a task of that name with the same section and what is in build/."""
    file = bench.workspace.params_file
    params = yaml.safe_load(file.read_text())
    params["tasks"][task] = params["tasks"][TASK]
    file.write_text(yaml.safe_dump(params))
    folder = bench.workspace.files(task).adapter.parent
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(bench.workspace.files(TASK).adapter.parent, folder)


def look(bench: Bench, task: str, seed: int) -> Look:
    write_adapter(bench.workspace.files(task).adapter, seed)
    return reserve_look(bench.workspace, bench.store, task)


def test_the_next_look_under_the_new_name_is_the_next_one_of_the_old_budget(bench: Bench) -> None:
    look(bench, TASK, 1)
    look(bench, TASK, 2)
    as_task(bench, NEW)
    carry_over(bench.store, NEW, TASK, who="Ada")
    third = look(bench, NEW, 3)
    assert (third.number, third.since) == (3, 1)
    assert read_state(bench.store, NEW).budgets["letters/s1"].used == 3
    assert read_state(bench.store, TASK).budgets["tickets/s1"].used == 2
    as_task(bench, NEWEST)
    carry_over(bench.store, NEWEST, NEW, who="Ada")
    assert look(bench, NEWEST, 4).number == 4
    numbers = [entry.number for entry in read_state(bench.store, NEWEST).looks["notes/s1"]]
    assert numbers == sorted(numbers), "older ones have lower numbers"


def test_a_ledger_of_another_task_that_cannot_be_read_stops_no_first_look(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    # Of somebody else's in the same store, and none of Pawl's.
    for name in ("their.ledger", "it's.ledger"):
        bench.store.client.create_registered_model(name)
        bench.store.client.create_model_version(name, "file:///nowhere")
    assert look(bench, TASK, 1).number == 1
    assert "whether 'their' was judged on these rows is not known" in caplog.text
    as_task(bench, NEW)
    assert look(bench, NEW, 1).elsewhere == {TASK: 20}


def test_a_budget_spent_under_the_old_name_is_spent_under_the_new_one(bench: Bench) -> None:
    bench.params(looks=2)
    look(bench, TASK, 1)
    look(bench, TASK, 2)
    as_task(bench, NEW)
    carry_over(bench.store, NEW, TASK, who="Ada")
    with pytest.raises(DataError, match="has used its 2 looks"):
        look(bench, NEW, 3)


def test_held_out_rows_and_their_relabels_are_known_under_the_new_name(bench: Bench) -> None:
    bench.cycle(1)
    accept(
        bench.store, TASK, [Relabel("key gate-0", "gate-0", "gate", ("yes",), ("no",))],
        who="Ada", why="they were wrong",
    )  # fmt: skip
    carry_over(bench.store, NEW, TASK, who="Ada")
    here, there = held_out_rows(bench.store, NEW), held_out_rows(bench.store, TASK)
    assert {row.lineage for row in here} == {"letters/s1"}
    assert [dataclasses.replace(row, lineage="tickets/s1") for row in here] == [*there]
    assert next(row for row in here if row.id == "gate-0").completion == "no"
    assert {row.standing for row in here} == {""}, "what a release vouched for is a goalpost"
    assert read_state(bench.store, NEW).champion.version is None, "the champion stays where it is"


def test_the_auditor_reads_the_same_looks(bench: Bench) -> None:
    sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
    auditor = importlib.import_module("auditor")
    bench.cycle(1)
    as_task(bench, NEW)
    carry_over(bench.store, NEW, TASK, who="Ada")
    look(bench, NEW, 2)
    keys = bench.workspace.root / "pawl.pub"
    assert auditor.check(bench.store.uri, NEW, keys=keys, settled=False) == []
    number = counting_entries(bench.store, TASK)[-1].number
    bench.store.client.delete_model_version(model(TASK), str(number))
    assert "goes on from" in " ".join(auditor.check(bench.store.uri, NEW, keys=keys))


def test_what_only_rejected_candidates_were_judged_on_stays_pending(bench: Bench) -> None:
    bench.cycle(1, decision="reject")
    carry_over(bench.store, NEW, TASK, who="Ada")
    assert {row.standing for row in held_out_rows(bench.store, NEW)} == {"pending"}


def test_only_what_was_judged_is_carried_over_and_only_to_a_name_without_a_record(
    bench: Bench,
) -> None:
    with pytest.raises(UsageError, match="'tickets' has not been judged yet"):
        carry_over(bench.store, NEW, TASK, who="Ada")
    look(bench, TASK, 1)
    carry_over(bench.store, NEW, TASK, who="Ada")
    again = carry_over(bench.store, NEW, TASK, who="Ada")
    assert again.number == len(counting_entries(bench.store, NEW)) == 1, "once"
    with pytest.raises(UsageError, match="'tickets' has a record in this store already"):
        carry_over(bench.store, TASK, NEW, who="Ada")


def test_looks_that_the_old_name_takes_later_do_not_change_the_new_ones_numbers(
    bench: Bench,
) -> None:
    look(bench, TASK, 1)
    as_task(bench, NEW)
    carry_over(bench.store, NEW, TASK, who="Ada")
    look(bench, NEW, 2)
    look(bench, TASK, 3)
    assert look(bench, NEW, 4).number == 3


def test_an_old_ledger_that_was_cut_off_puts_the_new_one_in_doubt(bench: Bench) -> None:
    look(bench, TASK, 1)
    carry_over(bench.store, NEW, TASK, who="Ada")
    number = counting_entries(bench.store, TASK)[-1].number
    bench.store.client.delete_model_version(model(TASK), str(number))
    with pytest.raises(RegistryError, match="no longer has its entry 1 as 'letters' found it"):
        read_ledger(open_store(bench.workspace), NEW)


def test_nothing_goes_on_from_a_ledger_that_is_in_doubt(bench: Bench) -> None:
    look(bench, TASK, 1)
    look(bench, TASK, 2)
    number = counting_entries(bench.store, TASK)[-1].number
    bench.store.client.delete_model_version(model(TASK), str(number))
    store = open_store(bench.workspace)
    with pytest.raises(RegistryError, match="the ledger ends at entry 1, and this workspace has"):
        carry_over(store, NEW, TASK, who="Ada")
    assert not counting_entries(store, NEW), "nothing was begun"


def test_a_first_look_at_rows_that_another_task_judged_names_it(bench: Bench) -> None:
    look(bench, TASK, 1)
    as_task(bench, NEW)
    first = look(bench, NEW, 2)
    assert first.elsewhere == {TASK: 20}
    assert look(bench, NEW, 3).elsewhere == {TASK: 20}, "and so do the later ones"
    assert look(bench, TASK, 4).elsewhere == {}


def test_rows_of_its_own_and_rows_that_were_carried_over_are_no_others(bench: Bench) -> None:
    look(bench, TASK, 1)
    as_task(bench, NEW)
    carry_over(bench.store, NEW, TASK, who="Ada")
    assert look(bench, NEW, 2).elsewhere == {}
