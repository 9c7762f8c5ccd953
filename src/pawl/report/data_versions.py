"""Versions of the data for a terminal: what changed, and what was made from what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from pawl.report.terminal import show_rows

# Rows named of each change, and characters of an answer; --json has them all.
SHOWN, WIDE = 10, 60
CHANGES = {
    "added": "added",
    "removed": "removed",
    "relabelled": "relabelled (same question, other answer)",
    "moved": "moved (another id alone)",
    "touched": "touched (other fields or typing, same answer)",
}
UNKNOWN = "not recorded"


def show_diff(facts: Mapping[str, Any], *, console: Console) -> None:
    """Counts and the first rows of each change, then the rules before and after."""
    a, b = facts["a"], facts["b"]
    console.print(f"{facts['task']}: {_side(a)} → {_side(b)}", highlight=False, soft_wrap=True)
    for change, says in CHANGES.items():
        rows = facts[change]
        console.print(f"{says}: {len(rows)}", highlight=False)
        for row in rows[:SHOWN]:
            console.print(f"  {escape(_row(row))}", highlight=False, soft_wrap=True)
        if len(rows) > SHOWN:
            console.print(f"  … and {len(rows) - SHOWN} more", highlight=False)
    if not any(facts[change] for change in CHANGES):
        same = a["md5"] == b["md5"]
        console.print("the same file" if same else "the same rows, in other order or form")
    found = [
        {"rule": name, "before": counts.get("before"), "after": counts.get("after")}
        for name, counts in facts["rules"].items()
    ]
    for side in (a, b):
        if side["unruled"]:
            says = f"the rules could not be run on {side['name']}: {side['unruled']}"
            console.print(escape(says), highlight=False)
    if found:
        show_rows(found, title="rules: what each found", console=console)


def show_log(rows: Sequence[Mapping[str, Any]], *, title: str, console: Console) -> None:
    """The versions of the data, newest first."""
    short = [
        {
            "md5": row["md5"][:12] + (" *" if row["here"] else ""),
            "commit": (row["commit"] or "none")[:10],
            "when": (row["when"] or "")[:10],
            "adapters": ", ".join(f"v{number}" for number in row["versions"]),
            "subject": row["subject"] or "",
        }
        for row in rows
    ]
    show_rows(short, title=f"{title} (* is what DVC tracks here)", console=console)


def show_lineage(facts: Mapping[str, Any], *, console: Console) -> None:
    """Each version with what it was made from, newest first; then the data, and back."""
    if not facts["versions"]:
        console.print(f"{facts['task']}: no version yet", highlight=False)
    for one in facts["versions"]:
        data, code = one["data"], one["commit"]
        mark = "  [bold green]champion[/]" if one["champion"] else ""
        when = one["when"][:16].replace("T", " ")
        console.print(f"[bold]version {one['version']}[/]  {one['verdict']}  {when}{mark}")
        known = data["md5"] is not None
        commit = (data["commit"] or "none yet")[:10] if known else UNKNOWN
        lines = {
            "adapter": one["adapter"][:12],
            "code": code[:10] + (", with changes not committed" if code.endswith("-dirty") else ""),
            "data": f"sha256 {data['sha256'][:12]}, md5 {(data['md5'] or UNKNOWN)[:12]}, "
            f"commit {commit}",
            "rows": ", ".join(f"{count} {name}" for name, count in one["rows"].items()),
            "again": one["restore"] or UNKNOWN,
        }
        for name, says in lines.items():
            console.print(f"  {name + ':':<9}{escape(says)}", highlight=False)
    show_log(facts["data"], title=f"{facts['task']}: data", console=console)


def _side(side: Mapping[str, Any]) -> str:
    bad = f", {side['bad']} unreadable" if side["bad"] else ""
    return escape(f"{side['name']} ({side['md5'][:12]}, {side['rows']} rows{bad})")


def _row(row: str | Mapping[str, str]) -> str:
    if isinstance(row, str):
        return row
    name = row["id"] if row["id"] == row["was"] else f"{row['was']} → {row['id']}"
    if "after" not in row:
        return name
    return f"{name}: {_short(row['before'])}\n    → {_short(row['after'])}"


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= WIDE else f"{flat[: WIDE - 1]}…"
