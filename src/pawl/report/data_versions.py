"""Versions of the data for a terminal: what changed, and what was made from what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from pawl.core.records.commands import DataVersion, Lineage, Source, VersionOrigin
from pawl.report.console import Terminal
from pawl.report.terminal import show_rows

if TYPE_CHECKING:
    # The rules that it can run load pandas and Great Expectations.
    from pawl.data.versions.compare import Changed, Moved

# Rows named of each change, and characters of an answer; --json has them all.
SHOWN, WIDE = 10, 60
UNKNOWN = "not recorded"


@dataclass(frozen=True)
class DataSide:
    """One version of a comparison: its rows, `bad` unreadable ones; `unruled`: why no rules ran."""

    name: str
    md5: str
    rows: int
    bad: int
    unruled: str | None


@dataclass(frozen=True)
class DataDiff:
    """How the rows of `b` differ from those of `a`: `pawl.data.versions.compare.Difference`.

    `rules` maps each rule of the check to the rows it finds `before` and `after`, if it was run.
    """

    task: str
    a: DataSide
    b: DataSide
    added: tuple[str, ...]
    removed: tuple[str, ...]
    relabelled: tuple[Changed, ...]
    moved: tuple[Moved, ...]
    touched: tuple[str, ...]
    rules: dict[str, dict[str, int]]


def show_diff(diff: DataDiff, *, console: Terminal) -> None:
    """Print counts and the first rows of each change, then the rules before and after."""
    a, b = diff.a, diff.b
    console.print(f"{diff.task}: {_side(a)} → {_side(b)}", highlight=False, soft_wrap=True)
    changes: dict[str, list[str]] = {
        "added": [*diff.added],
        "removed": [*diff.removed],
        "relabelled (same question, other answer)": [_relabelled(row) for row in diff.relabelled],
        "moved (another id alone)": [_name(row) for row in diff.moved],
        "touched (other fields or typing, same answer)": [*diff.touched],
    }
    for change, rows in changes.items():
        console.print(f"{change}: {len(rows)}", highlight=False)
        for row in rows[:SHOWN]:
            console.print(f"  {row}", highlight=False, soft_wrap=True)
        if len(rows) > SHOWN:
            console.print(f"  … and {len(rows) - SHOWN} more", highlight=False)
    if not any(changes.values()):
        same = a.md5 == b.md5
        console.print("the same file" if same else "the same rows, in other order or form")
    for side in (a, b):
        if side.unruled:
            text = f"the rules could not be run on {side.name}: {side.unruled}"
            console.print(text, highlight=False)
    if diff.rules:
        counts = [
            {"rule": name, "before": found.get("before"), "after": found.get("after")}
            for name, found in diff.rules.items()
        ]
        show_rows(counts, title="rules: what each found", console=console)


def show_log(
    versions: Sequence[DataVersion], *, title: str, limit: int | None = None, console: Terminal
) -> None:
    """Print the versions of the data, newest first, `limit` of them (None: all)."""
    rows = [
        {
            "md5": one.md5[:12] + (" *" if one.here else ""),
            "commit": (one.commit or "none")[:10],
            "when": (one.when or "")[:10],
            "adapters": ", ".join(f"v{number}" for number in one.versions),
            "subject": one.subject or "",
        }
        for one in versions[:limit]
    ]
    show_rows(rows, title=f"{title} (* is what DVC tracks here)", console=console)
    for one in versions[:limit]:
        if one.source:
            text = f"{one.md5[:12]} fetched from {fetched_from(one.source)}"
            console.print(text, highlight=False, soft_wrap=True)
    if limit is not None and len(versions) > limit:
        console.print(f"{len(versions) - limit} earlier: --all", highlight=False)


def fetched_from(source: Source) -> str:
    """The address of rows with what it called them then, and the day."""
    day = f", {source.when[:10]}" if source.when else ""
    return f"{source.address} ({source.version or 'it named no version'}{day})"


def show_lineage(lineage: Lineage, *, limit: int | None = None, console: Terminal) -> None:
    """Print each version with what it was made from, newest first; then the data, and back.

    `limit`: of as many versions, and of the data (None: of all).
    """
    if not lineage.versions:
        console.print(f"{lineage.task}: no version yet", highlight=False)
    for version in lineage.versions[:limit]:
        _show_version(version, console)
    if limit is not None and len(lineage.versions) > limit:
        console.print(f"{len(lineage.versions) - limit} earlier versions: --all", highlight=False)
    show_log(lineage.data, title=f"{lineage.task}: data", limit=limit, console=console)


def _show_version(version: VersionOrigin, console: Terminal) -> None:
    data, code = version.data, version.commit
    mark = ("  champion", "bold green") if version.champion else ""
    when = version.when[:16].replace("T", " ")
    head = (f"version {version.version}", "bold")
    console.print(Text.assemble(head, f"  {version.verdict}  {when}", mark))
    commit = UNKNOWN if data.md5 is None else (data.commit or "none yet")[:10]
    lines = {
        "adapter": version.adapter[:12],
        "code": code[:10] + (", with changes not committed" if code.endswith("-dirty") else ""),
        "data": f"sha256 {data.sha256[:12]}, md5 {(data.md5 or UNKNOWN)[:12]}, commit {commit}",
        "rows": ", ".join(f"{count} {name}" for name, count in version.rows.items()),
        "again": version.restore or UNKNOWN,
    }
    for name, text in lines.items():
        console.print(f"  {name + ':':<9}{text}", highlight=False)


def _side(side: DataSide) -> str:
    bad = f", {side.bad} unreadable" if side.bad else ""
    return f"{side.name} ({side.md5[:12]}, {side.rows} rows{bad})"


def _name(row: Changed | Moved) -> str:
    return row.id if row.id == row.was else f"{row.was} → {row.id}"


def _relabelled(row: Changed) -> str:
    return f"{_name(row)}: {_short(row.before)}\n    → {_short(row.after)}"


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= WIDE else f"{flat[: WIDE - 1]}…"
