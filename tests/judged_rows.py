"""Cycles with rows, on the bench: what MLflow shows of them can be compared with the evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from workbench import TASK, Bench, held_out

from pawl.core.files import write_lines
from pawl.core.records import (
    Choices,
    Comparison,
    Cycle,
    Decision,
    Point,
    Score,
    Training,
    to_json,
    write_record,
)
from pawl.cycle import runs_below
from pawl.cycle.snapshots import snapshot_champion
from pawl.ledger.looks import reserve_look

# Of 20 gate rows the candidate has the first 15 right, the champion the last 10.
RIGHT = {"candidate": range(15), "champion": range(10, 20), "zero-shot": range(1)}


def cycle_with_rows(bench: Bench, seed: int, decision: Decision = "promote", **gate: Any) -> Cycle:
    """A whole cycle whose contenders answered the 20 gate rows as `RIGHT` says."""
    bench.params(**gate)
    bench.train(seed)
    files = bench.workspace.files(TASK)
    champion = snapshot_champion(bench.workspace, bench.store, TASK)
    look = reserve_look(bench.workspace, bench.store, TASK)
    names = [n for n in RIGHT if n != "champion" or champion.version is not None]
    rows = held_out("gate", 20)
    write_lines(files.check / "rows.jsonl", map(to_json, rows))
    sealed = gate.get("disclosure") == "sealed"
    scores = [
        Score(
            id=row.id, key=row.key, contender=name, split="gate",
            output="yes" if number in RIGHT[name] else "no <b>really</b>",
            values={"exact_match": float(number in RIGHT[name]), "char_error": 0.25},
        )
        for name in names
        for number, row in enumerate(rows)
    ]  # fmt: skip
    write_lines(files.eval / "rows.jsonl", [] if sealed else map(to_json, scores))
    point = Point(1, 2.0 + seed, 1e-3, 0.5, 100)
    training = Training((point,), 0.1, 0.2 + seed, 900.0, 100, 0.1, choices=Choices())
    write_record(files.training, training)
    verdict = bench.judge(decision, champion, look)
    mean = {name: len(RIGHT[name]) / 20 for name in names}
    measured = {name: {"exact_match": mean[name], "char_error": 0.25} for name in names}
    against = "champion" if "champion" in names else "zero-shot"
    compared = Comparison(
        against=against, metric="exact_match", candidate=mean["candidate"], other=mean[against],
        wins=10, losses=5, p=0.001, level=0.0025, passed=decision == "promote",
        interval=(0.1, 0.4),
    )  # fmt: skip
    dev = {"candidate (dev)": {"exact_match": 0.7}}
    open_record = replace(verdict, scores={**measured, **dev}, comparisons=(compared,))
    write_record(files.verdict, replace(verdict, scores=dev) if sealed else open_record)
    with pytest.MonkeyPatch.context() as patch:
        # On a busy machine the time that rows may take would be over before all are written.
        for name in ("MOST", "LEAST"):
            patch.setattr(runs_below, name, 600.0)
        return bench.conclude(f"question {seed}")
