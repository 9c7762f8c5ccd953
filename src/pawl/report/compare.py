"""Two versions side by side: a table, and a plain word on what their scores can tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from pawl.core.metrics import FALL, shown
from pawl.report.console import Terminal
from pawl.report.terminal import minute

# Parameters that differ and fit a screen; --all and --json have them all.
PARAMS = 6
Pair = tuple[float | None, float | None]


@dataclass(frozen=True)
class VersionComparison:
    """Two versions side by side: each pair is (the first's, the other's).

    `scores` maps contender to metric to a pair, None where not measured. They come from two
    evaluations, perhaps on other rows: they inform, the gate never compares them. `same_rows` maps
    metric to a pair measured on the same rows in one run, where one version was judged against the
    other; empty where it was not. `rows` are the gate rows of each one's evaluation. `params` holds
    only what differs, by its dotted key. `other_scorers`: the task's own scorers whose code
    was not the same in both evaluations.
    """

    task: str
    versions: tuple[int, int]
    verdict: tuple[str, str]
    scores: dict[str, dict[str, Pair]]
    same_rows: dict[str, Pair]
    rows: tuple[int, int]
    params: dict[str, tuple[Any, Any]]
    data: tuple[str, str]
    base: tuple[str, str]
    commit: tuple[str, str]
    when: tuple[str, str]
    other_scorers: tuple[str, ...] = ()


def show_comparison(
    comparison: VersionComparison, *, everything: bool = False, console: Terminal
) -> None:
    """Print what each version is, then scores: on the same rows, or with a warning beside them."""
    one, other = comparison.versions
    console.print(f"{comparison.task}: version {one} and version {other}", highlight=False)
    facts = _table("", f"version {one}", f"version {other}")
    facts.add_row("verdict", *comparison.verdict)
    facts.add_row("judged", *map(minute, comparison.when))
    for name in ("data", "commit", "base"):
        pair = getattr(comparison, name)
        if name == "base":
            same = pair[0] == pair[1]
            facts.add_row(name, *(("the same", "") if same else pair))
        else:
            facts.add_row(name, *(text[:10] for text in pair))
    console.print(facts)
    console.print(_scores(comparison))
    console.print(*_warning(comparison), highlight=False)
    for name in comparison.other_scorers:
        console.print(
            f"warning: '{name}' was another version of the scorer in each", highlight=False
        )
    if everything:
        for contender, values in comparison.scores.items():
            table = _table(contender, f"version {one}", f"version {other}")
            for metric, pair in values.items():
                table.add_row(_name(metric), *(_cell(metric, value) for value in pair))
            console.print(table)
    _show_params(comparison, everything=everything, console=console)


def _scores(comparison: VersionComparison) -> Table:
    one, other = comparison.versions
    if same := comparison.same_rows:
        title = f"the same {max(comparison.rows)} gate rows"
        table = _table(title, f"version {one}", f"version {other}", "difference")
        for metric, (left, right) in same.items():
            gap = "" if left is None or right is None else _gap(metric, right - left)
            table.add_row(_name(metric), _cell(metric, left), _cell(metric, right), gap)
        return table
    rows = comparison.rows
    heads = f"version {one}, {rows[0]} rows", f"version {other}, {rows[1]} rows"
    table = _table("each one's own gate rows", *heads)
    for metric, pair in comparison.scores.get("candidate", {}).items():
        table.add_row(_name(metric), *(_cell(metric, value) for value in pair))
    return table


def _warning(comparison: VersionComparison) -> tuple[Text, ...]:
    if comparison.same_rows:
        return (Text("both answered these rows in one run, when the later one was judged"),)
    one, other = comparison.versions
    if comparison.scores.get("candidate"):
        told = (
            f"version {one} was judged on {comparison.rows[0]} gate rows, version {other} on "
            f"{comparison.rows[1]}, in two runs: these columns do not tell which one is better"
        )
        return (Text("warning: ", "bold yellow") + Text(told),)
    return (Text("no scores are shown"),)


def _show_params(comparison: VersionComparison, *, everything: bool, console: Terminal) -> None:
    if not comparison.params:
        console.print("parameters: the same")
        return
    items = list(comparison.params.items())
    one, other = comparison.versions
    table = _table("parameter", f"version {one}", f"version {other}")
    for key, pair in items if everything else items[:PARAMS]:
        table.add_row(key, *("–" if value is None else str(value) for value in pair))
    console.print(table)
    if len(items) > PARAMS and not everything:
        console.print(f"{len(items) - PARAMS} more parameters differ: --all", highlight=False)


def _table(first: str, *columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(first, no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right")
    return table


def _name(metric: str) -> str:
    return f"{metric} ↓" if metric in FALL else metric


def _cell(metric: str, value: float | None) -> str:
    return "–" if value is None else shown(metric, value)


def _gap(metric: str, value: float) -> str:
    return f"{value:+.3g}" if metric in FALL else f"{100 * value:+.1f} points"
