"""Flips as text for a terminal: rows won and lost, and what changed in the train rows."""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text

from pawl.gate.flips import Changed, Flip
from pawl.report.console import Terminal

# Row ids named of each change; --json has them all.
SHOWN = 10


@dataclass(frozen=True)
class FlipsReport:
    """Gate rows won and lost `against` the champion of then; `data`: train rows that differ."""

    task: str
    version: int
    against: int
    metric: str
    won: tuple[Flip, ...]
    lost: tuple[Flip, ...]
    data: Changed


def show_flips(report: FlipsReport, *, console: Terminal) -> None:
    """Print each flipped row with prompt, reference and both answers, then the data's changes."""
    console.print(
        f"{report.task} version {report.version} against version {report.against}, "
        f"{report.metric}: {len(report.won)} rows won, {len(report.lost)} lost"
    )
    for flip in (*report.won, *report.lost):
        word = "won" if flip.won else "lost"
        console.print(Text.assemble("\n", (word, "bold"), f"  {flip.id}"))
        for name in ("prompt", "reference", "candidate", "champion"):
            text = getattr(flip, name)
            console.print(f"  {name + ':':<11}{text}", highlight=False)
    console.print("\ntrain rows since the champion's:")
    for change in ("added", "removed", "relabelled"):
        ids = getattr(report.data, change)
        more = f", … and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
        named = f": {', '.join(ids[:SHOWN])}{more}" if ids else ""
        console.print(f"  {change} {len(ids)}{named}", highlight=False)
