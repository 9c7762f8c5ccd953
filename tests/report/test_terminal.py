"""What a terminal of 80 columns shows of the record."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from pawl.core.records import Candidate, Champion, Cycle
from pawl.report.terminal import show_cycle, show_facts, show_history


def shown(show: Any, *facts: Any, **words: Any) -> str:
    console = Console(file=io.StringIO(), width=80)
    show(*facts, console=console, **words)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_a_release_reads_as_what_became_of_the_champion_whole_in_80_columns() -> None:
    said = {"when": "2026-11-24T02:38:57.358+00:00", "who": "Zoë <z@example.org>", "why": "night"}
    rows = [
        {"entry": 2, "kind": "first", "from": None, "version": 1, **said},
        {"entry": 4, "kind": "rollback", "from": 12, "version": 11, **said},
        {"entry": 5, "kind": "relabel", "from": None, "version": None, **said},
    ]
    text = shown(show_history, rows, title="tickets: releases")
    for words in ("first none → 1", "rollback 12 → 11", "relabel", "2026-11-24 02:38", "Zoë"):
        assert words in text
    assert "…" not in text
    assert "example.org" not in text


def test_reasons_stand_one_below_the_other() -> None:
    text = shown(
        show_facts, {"last": {"reasons": ["beats it", "keeps [that]"], "versions": [1, 2]}}
    )
    assert text == "last:\n  reasons:\n    • beats it\n    • keeps [that]\n  versions: 1; 2\n"


def test_a_cycle_tells_what_was_left_out_of_train_below_its_rows() -> None:
    cycle = Cycle("t", "reject", (), Candidate(), Champion(), {}, {"train": 80, "gate": 20})
    text = shown(show_cycle, cycle, left_out=["left out of train: 20 [near]"])
    assert text.startswith("rows: train 80, gate 20\nleft out of train: 20 [near]\nverdict: reject")
