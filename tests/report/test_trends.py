"""Trends of a task: scores on the same rows alone, the same figures on page and terminal."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import axe
import pytest
from browser import Tab, browser
from hypothesis import given, settings
from hypothesis import strategies as st
from verdicts import HOSTILE
from workbench import TASK, Bench

from pawl.commands.report import report, write_page
from pawl.core.files import digest_file, write_lines
from pawl.core.records import (
    Champion,
    Contender,
    EvalReport,
    Score,
    Training,
    to_json,
    write_record,
)
from pawl.core.records.commands import HistoryEntry, LooksLeft
from pawl.cycle.snapshots import snapshot_champion
from pawl.ledger.looks import reserve_look
from pawl.release.release import rollback
from pawl.report.console import Terminal
from pawl.report.trends.page import page
from pawl.report.trends.record import JudgedVersion, TaskReport, TrainingSpent
from pawl.report.trends.terminal import show_report
from pawl.store.runs import delete_files
from pawl.store.versions import get

TABLE = """[...document.querySelectorAll('#version-table tbody tr')].map(
  row => [...row.cells].map(cell => cell.innerText.trim().split('\\n')[0]))"""


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with browser() as opened:
        yield opened


def judge(bench: Bench, seed: int, decision: Any, right: dict[str, bool]) -> None:
    """A cycle whose candidate answers these gate rows so, with its rows stored as evidence."""
    files = bench.workspace.files(TASK)
    bench.train(seed)
    scores = [
        Score(key, key, "candidate", "gate", "yes", {"exact_match": float(ok)})
        for key, ok in right.items()
    ]
    write_lines(files.eval / "rows.jsonl", map(to_json, scores))
    contenders = (Contender("candidate", "gate", len(right), {}, None, None),)
    digest = digest_file(files.eval / "rows.jsonl")
    write_record(
        files.eval / "report.json",
        EvalReport(TASK, "b", "c", Champion(), None, None, 0, contenders, {}, digest),
    )
    write_record(files.training, Training((), 0.1, 0.2, 3600.0 * seed, 100, 10.0))
    champion = snapshot_champion(bench.workspace, bench.store, TASK)
    bench.judge(decision, champion, reserve_look(bench.workspace, bench.store, TASK))
    bench.conclude(f"question {seed}")


def rows(of: range, right: int) -> dict[str, bool]:
    return {f"r{number}": at < right for at, number in enumerate(of)}


@pytest.mark.server
def test_versions_are_compared_on_the_rows_that_all_of_them_answered(
    bench: Bench, tab: Tab
) -> None:
    judge(bench, 1, "promote", rows(range(10), 5))
    # Twice as many rows, of which those that version 1 answered are harder for it.
    judge(bench, 2, "promote", rows(range(19, -1, -1), 16))
    judge(bench, 3, "reject", rows(range(10), 2))
    rollback(bench.workspace, bench.store, TASK, to=None, why="look", who="Ada <a@x.y>")
    found = report(bench.workspace, bench.store, TASK)
    assert (found.split, found.same_rows, found.champion) == ("gate", 10, 1)
    assert [(one.own, one.own_rows, one.same) for one in found.versions] == [
        (0.5, 10, 0.5), (0.8, 20, 0.6), (0.2, 10, 0.2),
    ]  # fmt: skip
    assert [one.released for one in found.versions] == [True, True, False]
    assert [one.looks_left for one in found.versions] == [19, 18, 17]
    assert [one.hours for one in found.versions] == [1.0, 2.0, 3.0]
    assert (found.spent.hours, found.spent.released, found.spent.hours_each) == (6.0, 2, 3.0)
    assert [entry.kind for entry in found.changes] == ["first", "promote", "rollback"]

    path = write_page(bench.workspace, found)
    tab.open(path.as_uri())
    assert tab.ask(TABLE) == [
        [str(one.version) + " *" * (one.version == 1), one.when[:10], one.verdict, same, own,
         "80", hours, "–", str(left)]
        for one, same, own, hours, left in zip(
            found.versions, ("50.0%", "60.0%", "20.0%"), ("50.0%", "80.0%", "20.0%"),
            ("1.00", "2.00", "3.00"), (19, 18, 17), strict=True,
        )
    ]  # fmt: skip
    drawn = tab.ask("document.querySelector('#plot-says').textContent")
    assert "version 2, rollback" not in drawn
    assert "version 1, rollback, version 2 to 1: 50.0%" in drawn
    out = io.StringIO()
    show_report(found, console=Terminal(file=out, width=80))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in out.getvalue()
    for shown in ("50.0%", "60.0%", "20.0%", "same 10 gate rows", "6.00 hours for 3 versions"):
        assert shown in out.getvalue()


@pytest.mark.server
def test_rows_that_cannot_be_read_are_named_and_not_guessed(bench: Bench) -> None:
    judge(bench, 1, "promote", rows(range(10), 5))
    judge(bench, 2, "promote", rows(range(10), 9))
    delete_files(bench.store, get(bench.store, TASK, 1).run_id, "eval")
    found = report(bench.workspace, bench.store, TASK)
    assert [one.same for one in found.versions] == [None, 0.9]
    assert any(note.startswith("version 1: ") for note in found.notes)


def test_a_gate_that_is_sealed_is_compared_on_dev_rows_alone(bench: Bench) -> None:
    judge(bench, 1, "promote", rows(range(10), 5))
    bench.params(disclosure="sealed")
    found = report(bench.workspace, bench.store, TASK)
    assert (found.split, found.same_rows) == ("dev", 0)
    assert found.versions[0].own is None


def many(text: str = HOSTILE, count: int = 14) -> TaskReport:
    """A long history with hostile texts."""
    versions = tuple(
        JudgedVersion(
            n, f"2026-{1 + n // 2:02}-03T10:00:00", "promote" if n % 2 else "reject", n % 2 == 1,
            {"train": 300 * n}, 0.3 + 0.04 * n, 90 + n, 0.2 + 0.05 * n, 0.1 * n, 0.2 * n, 20 - n,
        )
        for n in range(1, count + 1)
    )  # fmt: skip
    changes = tuple(
        HistoryEntry(
            n, "promote" if n > 1 else "first", n, "a" * 64, n - 2 if n > 1 else None,
            f"2026-{1 + n // 2:02}-04T10:00:00", text, text, None, None,
        )
        for n in range(1, count + 1, 2)
    )  # fmt: skip
    return TaskReport(
        TASK, "exact_match", "gate", 97, count - 1, versions, changes,
        LooksLeft(14, 20, 1, text), TrainingSpent(10.5, 21.0, 7, 1.5, 3.0), (text,),
    )  # fmt: skip


@pytest.mark.server
@pytest.mark.parametrize("dark", [False, True])
def test_everybody_can_read_the_page_on_any_screen(tab: Tab, tmp_path: Path, dark: bool) -> None:
    nothing = dataclasses.replace(many(), versions=(), changes=(), champion=None, looks=None)
    for found in (many(), nothing):
        path = tmp_path / "report.html"
        path.write_text(page(found), encoding="utf-8")
        tab.requests.clear()
        for width in (320, 768, 1440):
            tab.open(path.as_uri(), width=width, dark=dark)
            assert tab.ask("document.documentElement.scrollWidth <= innerWidth"), width
        assert axe.findings(tab) == []
        assert set(tab.requests) == {path.as_uri()}
        assert tab.ask("document.title") == "tickets: trends"


@settings(max_examples=40)
@given(
    st.text(st.characters() | st.sampled_from("<>&\"'`{}%\x00\x1b\u202e\ud800\u2028"), min_size=1)
)
def test_no_text_of_the_record_changes_the_pages_structure(text: str) -> None:
    told, plain = page(many(text, 3)), page(many("x", 3))
    told.encode("utf-8")
    assert told.count("<") == plain.count("<")
    json.dumps(to_json(many(text, 3)))
