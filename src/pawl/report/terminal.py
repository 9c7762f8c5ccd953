"""Records as tables and sentences for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pawl.core.metrics import FALL, shown
from pawl.core.records import Cycle

# Row ids named of each change; --json has them all.
SHOWN = 10
COLOURS = {"promote": "green", "unchanged": "green", "reject": "red", "inconclusive": "yellow"}


def show_cycle(cycle: Cycle, *, left_out: Sequence[str], console: Console) -> None:
    """Scores of every contender, the verdict with its reasons, and who is champion now.

    `left_out` says what the split kept out of train: `pawl.report.dropped`.
    """
    if cycle.scores:
        console.print(score_table(cycle.scores, title=f"{cycle.task}: scores"))
    rows = ", ".join(f"{name} {count}" for name, count in cycle.rows.items())
    if rows:
        console.print(f"rows: {rows}")
    for line in left_out:
        console.print(escape(line), highlight=False)
    colour = COLOURS.get(cycle.verdict, "red")
    console.print(f"verdict: [bold {colour}]{cycle.verdict}[/]")
    for reason in cycle.reasons:
        console.print(f"  • {escape(reason)}", highlight=False)
    if cycle.worth:
        console.print("worth it?")
        for line in cycle.worth.says:
            console.print(f"  • {escape(line)}", highlight=False)
    if cycle.candidate.version is not None:
        console.print(f"candidate: version {cycle.candidate.version}")
    champion = cycle.champion.version
    console.print(f"champion:  {f'version {champion}' if champion is not None else 'none yet'}")


def score_table(scores: Mapping[str, Mapping[str, float]], *, title: str) -> Table:
    """A row a metric, a column a contender; what was not measured stays blank."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0)
    table.add_column("metric", no_wrap=True)
    for name in scores:
        table.add_column(name, justify="right")
    for metric in sorted({metric for values in scores.values() for metric in values}):
        found = (values.get(metric) for values in scores.values())
        cells = ("" if value is None else shown(metric, value) for value in found)
        table.add_row(f"{metric} ↓" if metric in FALL else metric, *cells)
    return table


def show_flips(facts: Mapping[str, Any], *, console: Console) -> None:
    """Each flipped row with its prompt, reference and both answers; the data's changes below."""
    against, won, lost = facts["against"], facts["won"], facts["lost"]
    console.print(
        f"{facts['task']} version {facts['version']} against version {against}, "
        f"{facts['metric']}: {len(won)} rows won, {len(lost)} lost"
    )
    for flip in (*won, *lost):
        console.print(f"\n[bold]{'won' if flip['won'] else 'lost'}[/]  {escape(flip['id'])}")
        for key in ("prompt", "reference", "candidate", "champion"):
            console.print(f"  {key + ':':<11}{escape(flip[key])}", highlight=False)
    console.print("\ntrain rows since the champion's:")
    for change, ids in facts["data"].items():
        more = f", … and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
        named = f": {escape(', '.join(ids[:SHOWN]))}{more}" if ids else ""
        console.print(f"  {change} {len(ids)}{named}", highlight=False)


def show_findings(found: Sequence[Mapping[str, Any]], *, title: str, console: Console) -> None:
    """What was looked at and whether it is well, with the remedy where it is not."""
    rows = [{**row, "ok": "ok" if row["ok"] else "NOT OK"} for row in found]
    show_rows(rows, title=title, console=console)


def show_rows(rows: Sequence[Mapping[str, Any]], *, title: str, console: Console) -> None:
    """Any list of flat mappings with the same keys as a table."""
    if not rows:
        console.print(f"{title}: none yet")
        return
    table = Table(title=title, title_justify="left")
    for key in rows[0]:
        table.add_column(str(key))
    for row in rows:
        table.add_row(*(escape(_cell(value)) for value in row.values()))
    console.print(table)


def show_history(rows: Sequence[Mapping[str, Any]], *, title: str, console: Console) -> None:
    """Releases as people ask for them: when, what became of the champion, who, why."""
    short = [
        {
            "entry": row["entry"],
            "when (UTC)": row["when"][:16].replace("T", " "),
            "what": _move(row),
            "who": row["who"].partition(" <")[0],
            "why": row["why"],
        }
        for row in rows
    ]
    show_rows(short, title=title, console=console)


def show_facts(facts: Mapping[str, Any], *, console: Console, indent: str = "") -> None:
    """A nested mapping as indented `key: value` lines."""
    for key, value in facts.items():
        if isinstance(value, Mapping):
            console.print(f"{indent}{key}:")
            show_facts(value, console=console, indent=indent + "  ")
        elif isinstance(value, (list, tuple)) and any(isinstance(v, str) for v in value):
            console.print(f"{indent}{key}:")
            for item in value:
                console.print(f"{indent}  • {escape(_cell(item))}", highlight=False)
        else:
            console.print(f"{indent}{key}: {escape(_cell(value))}", highlight=False)


def _move(row: Mapping[str, Any]) -> str:
    """`rollback 2 → 1`; a kind that moves no champion is its own name."""
    kind = row["kind"]
    return kind if row["version"] is None else f"{kind} {row['from'] or 'none'} → {row['version']}"


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return "; ".join(map(str, value))
    return str(value)
