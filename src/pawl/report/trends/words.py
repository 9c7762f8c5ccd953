"""Sentences of the trends, the same on the page and in the terminal."""

from __future__ import annotations

from pawl.core.metrics import shown
from pawl.core.records.commands import HistoryEntry
from pawl.report.trends.record import TaskReport


def headline(report: TaskReport) -> str:
    """Who is champion, and how it does against the first one on the same rows."""
    judged = len(report.versions)
    many = f"{judged} judged version{'s' if judged != 1 else ''}"
    if report.champion is None:
        return f"{report.task}: no champion yet, {many}"
    of = {one.version: one for one in report.versions}
    now = of.get(report.champion)
    first = next((e.version for e in report.changes if e.kind == "first"), None)
    begun = of.get(first) if first is not None else None
    text = f"{report.task}: version {report.champion} is champion"
    if now is None or now.same is None:
        return f"{text}, {many}"
    text += f": {report.metric} {shown(report.metric, now.same)}"
    if begun is None or begun.same is None or begun is now:
        return f"{text} on {report.same_rows:,} rows"
    was = shown(report.metric, begun.same)
    return f"{text} where the first had {was}, on the same {report.same_rows:,} rows"


def rows_text(report: TaskReport) -> str:
    """Which scores may be compared."""
    split = f"{report.split} rows"
    if not report.same_rows:
        return f"no {split} were answered by all versions: scores on own rows are not comparable"
    return (
        f"*: champion. same: on the same {report.same_rows:,} {split}, which all of them "
        "answered; own: on those of its own verdict, which differ from version to version"
    )


def moved(entry: HistoryEntry) -> str:
    """`rollback, version 2 to 1`; a relabel has no versions and is its kind alone."""
    if entry.version is None:
        return entry.kind
    before = "" if entry.from_ is None or entry.kind == "retire" else f"{entry.from_} to "
    return f"{entry.kind}, version {before}{entry.version}"


def spent_text(report: TaskReport) -> str:
    """What the training of all versions took, and that a released one."""
    spent = report.spent
    if spent.hours is None:
        return "training: not known of every version"
    count = len(report.versions)
    text = f"training: {spent.hours:.2f} hours for {count} version{'s' * (count != 1)}"
    if spent.hours_each is not None:
        text += f", {spent.hours_each:.2f} for each that was released"
    if spent.cost is not None:
        text += f"; cost {spent.cost:.4g}"
        text += f", {spent.cost_each:.4g} for each" if spent.cost_each is not None else ""
    return text
