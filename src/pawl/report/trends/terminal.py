"""`pawl report` for a terminal: a row a version, then the releases and what it all took."""

from __future__ import annotations

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.table import Table

from pawl.core.metrics import FALL, shown
from pawl.report.console import Terminal
from pawl.report.trends.record import JudgedVersion, TaskReport
from pawl.report.trends.words import headline, moved, rows_text, spent_text

COLOURS = {"promote": "green", "reject": "red", "inconclusive": "yellow"}
WIDE = 8


def show_report(report: TaskReport, *, console: Terminal) -> None:
    """Print the trends; the page has the same figures."""
    console.print(headline(report), style="bold", highlight=False)
    if report.versions:
        console.print(_table(report))
        console.print(rows_text(report), highlight=False)
    for entry in report.changes:
        console.print(f"{entry.when[:10]}  {moved(entry)}: {entry.why}", highlight=False)
    for line in _facts(report):
        console.print(line, highlight=False)


def _table(report: TaskReport) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name, justify in (
        ("version", "left"), ("judged", "left"), ("verdict", "left"), ("train", "right"),
        ("own", "right"), ("same", "right"), ("", "left"), ("hours", "right"),
        ("looks", "right"),
    ):  # fmt: skip
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for one in report.versions:
        mark = " *" if one.version == report.champion else ""
        table.add_row(
            f"{one.version}{mark}",
            one.when[:10],
            one.verdict,
            f"{one.rows['train']:,}" if "train" in one.rows else "–",
            _score(report.metric, one.own),
            _score(report.metric, one.same),
            _bar(report.metric, one),
            "–" if one.hours is None else f"{one.hours:.2f}",
            "–" if one.looks_left is None else str(one.looks_left),
        )
    return table


def _score(metric: str, value: float | None) -> str:
    return "–" if value is None else shown(metric, value)


def _bar(metric: str, one: JudgedVersion) -> str:
    # Only a share has a length.
    if one.same is None or metric in FALL:
        return ""
    return "█" * round(WIDE * min(1.0, max(0.0, one.same)))


def _facts(report: TaskReport) -> Iterator[str]:
    if report.looks is not None:
        left = report.looks.of - report.looks.used
        yield f"looks: {left} of {report.looks.of} left; {report.looks.says}"
    yield spent_text(report)
    yield from (f"note: {note}" for note in report.notes)
