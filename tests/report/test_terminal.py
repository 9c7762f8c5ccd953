"""What a terminal of 80 columns shows of the record."""

from __future__ import annotations

import io
from typing import Any

from pawl.core.records import Candidate, Champion, Cycle
from pawl.core.records.commands import (
    Check,
    Finding,
    FreshRows,
    GcReport,
    GcRow,
    HistoryEntry,
    LooksLeft,
)
from pawl.gate.flips import Changed, Flip
from pawl.report.compare import VersionComparison, show_comparison
from pawl.report.console import Terminal
from pawl.report.flips import SCREEN, FlipsReport, show_flips
from pawl.report.status import ChampionStatus, LastCycle, TaskStatus, show_status
from pawl.report.terminal import (
    show_cycle,
    show_facts,
    show_finding,
    show_gc,
    show_history,
    show_outcome,
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
    sound, wrong = (shown(show_finding, one) for one in found)
    assert "NOT OK" not in sound
    assert "NOT OK" in wrong
    assert "not installed" in wrong
    checks = [Check("ledger", True, "3 entries"), Check("alias", False, "moved", "`pawl adopt`")]
    assert shown(show_outcome, checks, title="t: verify") == "t: verify: 1 of 2 NOT OK\n"
    assert shown(show_outcome, checks[:1], title="v") == "v: all is well\n"
    text = shown(show_finding, checks[1])
    assert "NOT OK" in text
    assert "`pawl adopt`" in text


def test_gc_names_what_it_would_free_and_how_much() -> None:
    text = shown(show_gc, GcReport(False, (GcRow("kept answers", 1_500_000, "/w/answers"),)))
    assert "can be freed" in text
    assert text.endswith("1.5 MB can be freed: pawl gc --yes\n")
    assert shown(show_gc, GcReport(True, ())) == "freed: none yet\n0.0 MB freed\n"


def test_flips_show_losses_first_and_fit_a_screen() -> None:
    def flip(name: str, won: bool) -> Flip:
        return Flip(name, won, f"ask [me] {'long ' * 40}", "yes", "yes", "no", (1.0, 0.0))

    won = tuple(flip(f"w{number}", True) for number in range(9))
    lost = tuple(flip(f"l{number}", False) for number in range(2))
    ids = tuple(f"n{number}" for number in range(12))
    report = FlipsReport("t", 2, 1, "exact_match", won, lost, Changed(ids, (), ("r7",)))
    text = shown(show_flips, report)
    lines = text.splitlines()
    assert lines[0] == "t: version 2 against version 1, exact_match: 2 rows lost, 9 won"
    assert (len(lines) <= 24, max(map(len, lines)) <= 80) == (True, True)
    assert [line for line in lines if not line.startswith(" ")][1:4] == [
        "lost  l0", "lost  l1", "won  w0",
    ]  # fmt: skip
    assert "  prompt:     ask [me] long" in text
    assert "0 lost and 8 won are not shown: --lost, --all, --limit N" in text
    assert "12 added, 0 removed, 1 relabelled" in text
    assert lines[-1] == "which ones: pawl data diff t v1 v2"
    assert "won  w" not in shown(show_flips, report, lost=True)
    everything = shown(show_flips, report, everything=True)
    assert "won  w8" in everything
    assert " ".join(everything.split()).count("long " * 40 + "reference") == 11
    assert shown(show_flips, report, limit=1).count("reference") == 1 < SCREEN


def test_the_state_of_a_task_is_told_in_sentences() -> None:
    champion = ChampionStatus(2, "d" * 64, "2026-11-28T09:31:52.5+00:00", "it won", "promote", None)
    status = TaskStatus(
        "t", champion, LastCycle("reject", ("no [better]",), "2026-11-28T10:00:00+00:00"),
        LooksLeft(2, 20, 1, "the rest"), FreshRows(4, 505), "build/t/verdict.html",
        ("the alias was moved",),
    )  # fmt: skip
    assert shown(show_status, status).splitlines() == [
        "t: version 2 is champion since 2026-11-28 09:31 UTC (promote: it won)",
        "last cycle: reject, 2026-11-28 10:00 UTC",
        "  • no [better]",
        "verdict page: build/t/verdict.html",
        "looks: 2 of 20 used; the rest",
        "fresh gate rows: 4; a new budget of looks needs 505",
        "problems:",
        "  • the alias was moved",
    ]
    nobody = ChampionStatus(None, None, None, None, None, None)
    text = shown(show_status, TaskStatus("t", nobody, None, None, None, None, ()))
    assert text == (
        "t: no champion yet\nlast cycle: none yet; `pawl run t` makes one\nproblems: none\n"
    )


def test_scores_of_other_rows_are_compared_with_a_warning_and_of_the_same_rows_without() -> None:
    def comparison(same_rows: Any, scores: Any) -> str:
        return shown(
            show_comparison,
            VersionComparison(
                task="t", versions=(1, 2), verdict=("promote", "reject"), scores=scores,
                same_rows=same_rows, rows=(97, 505), params={"train.rank": (16, 8)},
                data=("a" * 64, "b" * 64), base=("b", "b"), commit=("c" * 40, "d" * 40),
                when=("2026-11-28T09:31:52+00:00",) * 2,
            ),
        )  # fmt: skip

    scores = {"candidate": {"exact_match": (0.5257731958762887, 0.94)}, "few-shot": {}}
    same = comparison({"exact_match": (0.459, 0.947), "perplexity": (1.09, None)}, scores)
    assert "the same 505 gate rows" in same
    assert "45.9%" in same
    assert "+48.8 points" in same
    assert "warning" not in same
    other = " ".join(comparison({}, scores).split())
    assert "version 1, 97 rows" in other
    assert "52.6%" in other
    assert "these columns do not tell which one is better" in other
    assert "train.rank 16 8" in other
    assert "no scores are shown" in comparison({}, {})
    for text in (same, other):
        assert len(text.splitlines()) <= 24


def test_a_long_history_shows_its_end_and_says_how_to_see_the_rest() -> None:
    rows = [
        HistoryEntry(
            n, "promote", n, None, n - 1, "2026-11-24T02:38:57+00:00", "Zoë", "w", None, None
        )
        for n in range(2, 42)
    ]  # fmt: skip
    text = shown(show_history, rows, title="t: releases", limit=12)
    assert len(text.splitlines()) <= 24
    assert "promote 40 → 41" in text
    assert "promote 28 → 29" not in text
    assert text.endswith("28 earlier: --all\n")
    assert "promote 1 → 2" in shown(show_history, rows, title="t: releases")
