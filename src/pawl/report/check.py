"""What `pawl check` prints: the rules as a table, below it what each found and what to do."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pawl.core.records import CheckReport, Fault, FixReport, Rule
from pawl.data.report import check_summary as summary
from pawl.data.report.check_summary import printable, rows_text
from pawl.report.console import Terminal

COLOURS = {"blocks": "red", "warns": "yellow", "passed": "green"}
# Of a row's name; a longer one goes on below itself.
NAME = 24


def show_check(report: CheckReport, *, console: Terminal) -> None:
    """Print the result, a row per rule, then each rule that found something with its worst rows."""
    colour = "green" if summary.may_train(report) else "red"
    text = summary.summary_text(report)
    console.print(Text.assemble(f"{report.task}: ", (text, f"bold {colour}")))
    console.print(f"{report.rows:,} rows, data {report.data[:12]}", highlight=False)
    for note in report.notes:
        console.print(_indented(Text(note)))
    console.print(_table(report))
    for rule in summary.by_state(report):
        if not rule.passed or rule.worst:
            _show_rule(rule, report.task, console)
    console.print("against the champion's training data (0 is the same, 1 is all different):")
    console.print(_indented(_drift(report)))


def show_fix(report: FixReport, *, folder: str, console: Terminal) -> None:
    """Print what the proposed copy in `folder` changes, what is left to a person, how to use it."""
    console.print()
    if not report.changed:
        console.print("--fix: there is nothing to mend that needs no judgement")
    for mend in report.mends:
        if mend.found:
            says = f" ({rows_text(mend.found)}): {mend.says}"
            console.print(Text.assemble((mend.name, "bold"), says))
            console.print(_faults(mend.first, mend.found))
    for rule in report.left or ():
        named = ", ".join(printable(fault.id) for fault in rule.worst)
        text = f"left to you: {rule.name} ({rows_text(rule.found)})"
        console.print(Text(f"{text}: {named}" if named else text))
    if report.left is None:
        console.print("the rules could not be run on the data: check the copy once you have it")
    if report.changed:
        _show_next(report, folder, console)


def _show_next(report: FixReport, folder: str, console: Terminal) -> None:
    rows = f"{report.rows:,} of {report.of:,} rows stay; the data itself is as it was. Look, then:"
    console.print(rows, highlight=False)
    if report.hidden:
        hidden = f"{rows_text(report.hidden)} without the words: secret, or unreadable"
        console.print(f"(the diff shows {hidden})", highlight=False)
    for command in (
        f"less {folder}/changes.diff",
        f"pawl data add {folder}/{report.file} --task {report.task}",
        f"pawl check {report.task}",
    ):
        # Whole, however narrow the terminal: it is to be copied.
        console.print(Text(f"  {command}"), soft_wrap=True)


def _table(report: CheckReport) -> Table:
    partly = summary.sampled(report)
    note = "* of a sample" if partly else None
    table = Table("rule", "state", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), caption=note)
    table.caption_justify = "left"
    for column in ("found", "of", "share"):
        table.add_column(column, justify="right", no_wrap=True)
    for rule in summary.by_state(report):
        now, share = summary.state(rule), summary.share_text(rule)
        shown, of = Text(now, COLOURS[now]), f"{rule.of:,}{' *' if rule in partly else ''}"
        table.add_row(rule.name, shown, f"{rule.found:,}", of, share)
    return table


def _show_rule(rule: Rule, task: str, console: Terminal) -> None:
    now = summary.state(rule)
    name = (rule.name, f"bold {COLOURS[now]}")
    console.print(Text.assemble(name, f" ({now}): {rule.says}"))
    console.print(_faults(rule.worst, rule.found))
    if not rule.passed:
        console.print(_indented(Text(f"what to do: {summary.remedy(rule, task)}")))
    console.print()


def _faults(worst: Sequence[Fault], found: int) -> Padding:
    """The worst rows by name with their fault, and how many more there are."""
    rows = Table.grid(padding=(0, 2, 0, 0))
    rows.add_column(max_width=NAME, overflow="fold")
    rows.add_column(overflow="fold")
    for fault in worst:
        rows.add_row(Text(printable(fault.id)), Text(printable(fault.says)))
    if worst and found > len(worst):
        rows.add_row("…", f"and {found - len(worst):,} more")
    return _indented(rows)


def _indented(shown: Table | Text) -> Padding:
    return Padding(shown, (0, 0, 0, 2), expand=False)


def _drift(report: CheckReport) -> Table | Text:
    if not report.drift:
        return Text(summary.drift_text(report))
    rows = Table.grid(padding=(0, 2, 0, 0))
    rows.add_column()
    rows.add_column(justify="right")
    rows.add_column()
    for drift in report.drift:
        rows.add_row(Text(printable(drift.name)), f"{drift.value:.3f}", Text(printable(drift.says)))
    return rows
