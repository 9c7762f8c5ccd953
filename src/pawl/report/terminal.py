"""Records as tables and sentences for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from pawl.core.metrics import FALL, shown
from pawl.core.records import Cycle, to_json
from pawl.core.records.commands import Check, Finding, GcReport, HistoryEntry
from pawl.report.console import Terminal

COLOURS = {
    "promote": "green", "unchanged": "green", "reject": "red", "inconclusive": "yellow",
    "waiting": "yellow",
}  # fmt: skip


def show_cycle(cycle: Cycle, *, left_out: Sequence[str], console: Terminal) -> None:
    """Print scores, verdict with reasons, the champion now; `left_out`: `pawl.report.dropped`."""
    if cycle.scores:
        console.print(score_table(cycle.scores, title=f"{cycle.task}: scores"))
    rows = ", ".join(f"{name} {count}" for name, count in cycle.rows.items())
    if rows:
        console.print(f"rows: {rows}")
    for line in left_out:
        console.print(line, highlight=False)
    colour = COLOURS.get(cycle.verdict, "red")
    console.print(Text.assemble("verdict: ", (cycle.verdict, f"bold {colour}")))
    for reason in cycle.reasons:
        console.print(f"  • {reason}", highlight=False)
    if cycle.worth:
        console.print("worth it?")
        for line in cycle.worth.says:
            console.print(f"  • {line}", highlight=False)
    if cycle.candidate.version is not None:
        console.print(f"candidate: version {cycle.candidate.version}")
    console.print(f"champion:  {cycle.champion.label('none yet')}")


def score_table(scores: Mapping[str, Mapping[str, float]], *, title: str) -> Table:
    """A row per metric, a column per contender; what was not measured is blank."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0)
    table.add_column("metric", no_wrap=True)
    for name in scores:
        table.add_column(name, justify="right")
    for metric in sorted({metric for values in scores.values() for metric in values}):
        values = (of_contender.get(metric) for of_contender in scores.values())
        cells = ("" if value is None else shown(metric, value) for value in values)
        table.add_row(f"{metric} ↓" if metric in FALL else metric, *cells)
    return table


def show_finding(one: Finding | Check, *, console: Terminal) -> None:
    """Print one thing that was examined: whether it is ok, what it is, what was found."""
    name, found = (one.what, one.says) if isinstance(one, Finding) else (one.name, one.found)
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=6)
    table.add_column(width=20)
    table.add_column(overflow="fold")
    table.add_row(Text("ok", "green") if one.ok else Text("NOT OK", "bold red"), name, found)
    if isinstance(one, Check) and one.remedy and not one.ok:
        table.add_row("", "", f"remedy: {one.remedy}")
    console.print(table)


def show_outcome(
    found: Sequence[Finding] | Sequence[Check], *, title: str, console: Terminal
) -> None:
    """Print in a line whether all that was examined is ok."""
    wrong = sum(not one.ok for one in found)
    console.print(f"{title}: {f'{wrong} of {len(found)} NOT OK' if wrong else 'all is well'}")


def show_gc(report: GcReport, *, console: Terminal) -> None:
    """Print what can be freed, or was, and how much that is."""
    title = "freed" if report.freed else "can be freed"
    show_rows([to_json(row) for row in report.found], title=title, console=console)
    total = sum(row.bytes for row in report.found) / 1e6
    then = "freed" if report.freed else "can be freed: pawl gc --yes"
    console.print(f"{total:.1f} MB {then}", highlight=False)
    if report.left:
        console.print("left, as nothing shows that Pawl made it (delete it yourself if it may go):")
        for path in report.left:
            console.print(f"  {path}", highlight=False, soft_wrap=True)


def show_rows(rows: Sequence[Mapping[str, Any]], *, title: str, console: Terminal) -> None:
    """Print flat mappings with the same keys as a table."""
    if not rows:
        console.print(f"{title}: none yet")
        return
    table = Table(*map(str, rows[0]), title=title, title_justify="left")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    console.print(table)


def show_history(
    history: Sequence[HistoryEntry], *, title: str, limit: int | None = None, console: Terminal
) -> None:
    """Print when the champion changed, how, by whom and why; the last `limit` (None: all)."""
    earlier = len(history) - (limit or len(history))
    rows = [
        {
            "entry": one.entry,
            "when (UTC)": minute(one.when).removesuffix(" UTC"),
            "what": _move(one),
            "who": one.who.partition(" <")[0],
            "why": one.why,
        }
        for one in history[max(earlier, 0) :]
    ]
    show_rows(rows, title=title, console=console)
    if earlier > 0:
        console.print(f"{earlier} earlier: --all", highlight=False)


def show_record(record: Any, *, console: Terminal) -> None:
    """Print a record as indented `key: value` lines."""
    show_facts(to_json(record), console=console)


def show_facts(facts: Mapping[str, Any], *, console: Terminal, indent: str = "") -> None:
    """Print a nested mapping as indented `key: value` lines."""
    for key, value in facts.items():
        if isinstance(value, Mapping):
            console.print(f"{indent}{key}:")
            show_facts(value, console=console, indent=indent + "  ")
        elif isinstance(value, (list, tuple)) and any(isinstance(v, str) for v in value):
            console.print(f"{indent}{key}:")
            for item in value:
                console.print(f"{indent}  • {_cell(item)}", highlight=False)
        else:
            console.print(f"{indent}{key}: {_cell(value)}", highlight=False)


def minute(when: str) -> str:
    """A moment of a record, UTC in ISO 8601, as people read it."""
    return f"{when[:16].replace('T', ' ')} UTC"


def _move(entry: HistoryEntry) -> str:
    """`rollback 2 → 1`; a relabel has no versions and is its kind alone."""
    if entry.version is None:
        return entry.kind
    return f"{entry.kind} {entry.from_ or 'none'} → {entry.version}"


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return "; ".join(map(str, value))
    return str(value)
