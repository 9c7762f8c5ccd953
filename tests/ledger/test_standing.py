"""Which held-out rows are goalposts is replayed from the ledger: looks, releases, removals."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
from workbench import ROWS, TASK, Bench, held_out, write_splits

from pawl.config.judging import Gate
from pawl.core.alpha_budget import AlphaBudget, BudgetHistory, level
from pawl.core.records import Decision, SplitReport, read_record, write_record
from pawl.errors import UsageError
from pawl.ledger.held_out import held_out_rows, let_go
from pawl.ledger.ledger import entries
from pawl.ledger.state import read_state
from pawl.release.history import history
from pawl.release.release import promote


def cycle(
    bench: Bench, seed: int, decision: Decision, gate: int, *, withdrawn: tuple[int, ...] = ()
) -> None:
    """A cycle with that many gate rows, whose split withdrew the rows of these looks."""
    parts = {name: held_out(name, count) for name, count in (ROWS | {"gate": gate}).items()}
    write_splits(bench.workspace, parts)
    path = bench.workspace.files(TASK).splits / "manifest.json"
    report = dataclasses.replace(read_record(path, SplitReport), withdrawn=withdrawn)
    write_record(path, report)
    bench.cycle(seed, decision)


def stands(bench: Bench) -> dict[tuple[int, str], int]:
    """The number of gate rows by look and standing."""
    rows = (row for row in held_out_rows(bench.store, TASK) if row.split == "gate")
    return dict(Counter((row.look, row.standing) for row in rows))


def test_rows_are_pending_until_a_candidate_that_they_judged_is_released(bench: Bench) -> None:
    cycle(bench, 1, "reject", 20)
    assert stands(bench) == {(1, "pending"): 20}
    cycle(bench, 2, "promote", 25)
    assert stands(bench) == {(1, ""): 20, (2, ""): 5}
    cycle(bench, 3, "reject", 30)
    cycle(bench, 4, "inconclusive", 32)
    assert stands(bench) == {(1, ""): 20, (2, ""): 5, (3, "pending"): 5, (4, "pending"): 2}
    # A person releases it all the same: what it was judged on is not to be let go of.
    promote(bench.workspace, bench.store, TASK, 3, why="I must", who="Ada", override=True)
    assert set(stands(bench).values()) == {20, 5, 2}
    assert {standing for _, standing in stands(bench)} == {""}


def test_withdrawn_rows_stay_so_and_make_the_later_looks_of_their_budget_stricter(
    bench: Bench,
) -> None:
    cycle(bench, 1, "promote", 20)
    cycle(bench, 2, "reject", 30)
    cycle(bench, 3, "reject", 33, withdrawn=(2,))
    assert stands(bench) == {(1, ""): 20, (2, "withdrawn"): 10, (3, "pending"): 3}
    # What was withdrawn once is not counted again, whatever is released.
    cycle(bench, 4, "promote", 33, withdrawn=(2,))
    assert stands(bench) == {(1, ""): 20, (2, "withdrawn"): 10, (3, ""): 3}
    policy = Gate(looks=20)
    looks = [entry.details for entry in entries(bench.store, TASK) if entry.kind == "look"]
    plain = level(policy, 1)
    assert [look["level"] for look in looks] == pytest.approx([plain, plain, plain / 2, plain / 2])
    assert [look.get("withdrawn") for look in looks] == [None, None, [2], None]
    cycle(bench, 5, "reject", 40, withdrawn=(2,))
    cycle(bench, 6, "reject", 41, withdrawn=(2, 5))
    last = [entry.details for entry in entries(bench.store, TASK) if entry.kind == "look"][-1]
    assert last["level"] == pytest.approx(plain / 3)
    assert last["withdrawn"] == [5]


def test_the_level_is_divided_within_the_budget_alone() -> None:
    policy, budget, life = Gate(looks=4, min_rows=10), AlphaBudget(), BudgetHistory()
    first = budget.next(policy, life, rows=0, fresh=20, withdrawals=3)
    assert first is not None
    assert first.level == level(policy, 1), "a new budget judges on rows that nobody has seen"
    opened = budget.take(first, life)
    assert opened is not None
    second = opened.next(policy, life.after(opened, first), rows=20, fresh=0, withdrawals=3)
    assert second is not None
    assert second.level == pytest.approx(level(policy, 2) / 4)


def test_rows_that_are_let_go_are_known_still_and_signed_for(bench: Bench) -> None:
    cycle(bench, 1, "promote", 20)
    gone = [row for row in held_out_rows(bench.store, TASK) if row.id in ("gate-3", "gate-4")]
    let_go(bench.store, TASK, gone, who="Bo", why="a customer asked for it")
    assert stands(bench) == {(1, ""): 18, (1, "removed"): 2}
    assert read_state(bench.store, TASK).champion.version == 1
    last = history(bench.store, TASK)[-1]
    assert (last.kind, last.who, last.why) == ("relabel", "Bo", "a customer asked for it")
    # The next look does not take them for new.
    cycle(bench, 2, "reject", 20)
    assert stands(bench) == {(1, ""): 18, (1, "removed"): 2}
    with pytest.raises(UsageError, match="holds every gate row"):
        let_go(bench.store, TASK, [], who="Bo", why="because")
    with pytest.raises(UsageError, match="no reason"):
        let_go(bench.store, TASK, gone, who="Bo", why=" ")
