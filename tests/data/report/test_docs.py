"""The Data Docs, opened in a browser, show the figures of the report."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from browser import browser

from pawl.core.records import CheckReport, read_record
from pawl.data.check import check
from pawl.data.inputs import inputs
from pawl.workspace.paths import Workspace

# Rules that Great Expectations does not run: the reader's.
ELSEWHERE = 1
FIGURES = """Object.fromEntries([...document.querySelectorAll('tr')]
  .filter(row => row.cells.length == 2)
  .map(row => [...row.cells].map(cell => cell.textContent.trim())))"""
FOUND = """[...document.querySelectorAll('tr')].map(row => row.textContent)
  .filter(text => text.includes('unexpected values found'))"""
LINKS = """[...document.querySelectorAll('a')].map(a => a.href)"""


def test_the_figures_on_the_data_docs_are_those_of_the_report(quick_workspace: Workspace) -> None:
    path = quick_workspace.root / "data" / "tickets.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    rows += [{**row, "id": f"again-{row['id']}"} for row in rows[:7]]
    path.unlink()
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    inputs(quick_workspace, "tickets")
    check(quick_workspace, "tickets")
    files = quick_workspace.files("tickets")
    report = read_record(files.check / "report.json", CheckReport)
    (result,) = (files.docs / "validations").rglob("*.html")
    with browser() as tab:
        # The pages ask for their looks elsewhere; their figures stand in them.
        tab.send("Network.setBlockedURLs", urls=["http://*", "https://*"])
        tab.open((files.docs / "index.html").as_uri())
        assert result.as_uri() in tab.ask(LINKS)
        tab.open(result.as_uri())
        figures, found = tab.ask(FIGURES), tab.ask(FOUND)
    passed = sum(rule.passed for rule in report.rules) - ELSEWHERE
    assert int(figures["Evaluated Expectations"]) == len(report.rules) - ELSEWHERE
    assert int(figures["Successful Expectations"]) == passed
    assert int(figures["Unsuccessful Expectations"]) == len(report.rules) - ELSEWHERE - passed
    (duplicates,) = (rule for rule in report.rules if rule.name == "duplicates")
    assert duplicates.found == 14
    assert any(f"14 unexpected values found. ≈8.383% of {report.rows}" in text for text in found)
    assert figures["Run Name"] == "check"


def test_a_check_leaves_nothing_outside_its_workspace(
    quick_workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside = tmp_path / "temporary"
    aside.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(aside))
    inputs(quick_workspace, "tickets")
    check(quick_workspace, "tickets")
    assert not list(aside.iterdir())


def test_the_data_docs_do_not_fail_where_rules_only_warn(quick_workspace: Workspace) -> None:
    path = quick_workspace.root / "data" / "tickets.jsonl"
    rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.unlink()
    path.write_text("".join([*rows, rows[0].replace('"id": "', '"id": "again-')]), encoding="utf-8")
    inputs(quick_workspace, "tickets")
    check(quick_workspace, "tickets")
    files = quick_workspace.files("tickets")
    report = read_record(files.check / "report.json", CheckReport)
    assert not all(rule.passed for rule in report.rules)
    (page,) = (files.docs / "validations").rglob("*.html")
    text = page.read_text(encoding="utf-8")
    assert "Succeeded" in text
    # The filter of the page has the word, whatever it shows.
    assert "Failed" not in text.replace("Failed Only", "")
    # A rule that warns has a sign of its own, and none of one that fails.
    warned = sum(not rule.passed for rule in report.rules)
    assert text.count("fa-exclamation-triangle text-warning") == warned
    assert "text-danger" not in text.partition("<body")[2]
