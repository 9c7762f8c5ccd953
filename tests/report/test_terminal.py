"""What a terminal of 80 columns shows of the record."""

from __future__ import annotations

import io
from typing import Any

from pawl.core.records import Candidate, Champion, Cycle
from pawl.core.records.commands import Check, Finding, GcReport, GcRow, HistoryEntry
from pawl.gate.flips import Changed, Flip
from pawl.report.console import Terminal
from pawl.report.flips import SHOWN, FlipsReport, show_flips
from pawl.report.terminal import (
    show_cycle,
    show_facts,
    show_findings,
    show_gc,
    show_history,
)


def shown(show: Any, *facts: Any, **words: Any) -> str:
    console = Terminal(file=io.StringIO(), width=80)
    show(*facts, console=console, **words)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_a_release_reads_as_what_became_of_the_champion_whole_in_80_columns() -> None:
    def entry(number: int, kind: str, before: int | None, after: int | None) -> HistoryEntry:
        return HistoryEntry(
            entry=number, kind=kind, version=after, digest=None, from_=before, evidence=None,
            when="2026-11-24T02:38:57.358+00:00", who="Zoë <z@example.org>", why="night",
            unearned=None,
        )  # fmt: skip

    rows = [
        entry(2, "first", None, 1),
        entry(4, "rollback", 12, 11),
        entry(5, "relabel", None, None),
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


def test_findings_of_doctor_and_of_verify_say_which_one_is_not_ok() -> None:
    found = [Finding("git", True, "/usr/bin/git"), Finding("dvc", False, "not installed")]
    text = shown(show_findings, found, title="doctor")
    assert "NOT OK" in text
    assert "not installed" in text
    checks = [Check("ledger", True, "3 entries"), Check("alias", False, "moved", "`pawl adopt`")]
    text = shown(show_findings, checks, title="t: verify")
    assert text.count("NOT OK") == 1
    assert "`pawl adopt`" in text


def test_gc_names_what_it_would_free_and_how_much() -> None:
    text = shown(show_gc, GcReport(False, (GcRow("kept answers", 1_500_000, "/w/answers"),)))
    assert "can be freed" in text
    assert text.endswith("1.5 MB can be freed: pawl gc --yes\n")
    assert shown(show_gc, GcReport(True, ())) == "freed: none yet\n0.0 MB freed\n"


def test_flips_show_both_answers_and_the_first_of_many_changed_rows() -> None:
    flip = Flip("r1", True, "ask [me]", "yes", "yes", "no", (1.0, 0.0))
    ids = tuple(f"n{number}" for number in range(SHOWN + 2))
    report = FlipsReport("t", 2, 1, "exact_match", (flip,), (), Changed(ids, (), ("r7",)))
    text = shown(show_flips, report)
    assert text.startswith("t version 2 against version 1, exact_match: 1 rows won, 0 lost\n")
    assert "  prompt:    ask [me]\n" in text
    assert "  added 12: n0, n1," in text
    assert "… and 2 more" in text
    assert text.endswith("  removed 0\n  relabelled 1: r7\n")
