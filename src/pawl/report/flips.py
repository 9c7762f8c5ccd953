"""Flips as text for a terminal: rows won and lost, and what changed in the train rows."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape

from pawl.gate.flips import Changed, Flip

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


def show_flips(report: FlipsReport, *, console: Console) -> None:
    """Print each flipped row with prompt, reference and both answers, then the data's changes."""
    console.print(
        f"{report.task} version {report.version} against version {report.against}, "
        f"{report.metric}: {len(report.won)} rows won, {len(report.lost)} lost"
    )
    for flip in (*report.won, *report.lost):
        console.print(f"\n[bold]{'won' if flip.won else 'lost'}[/]  {escape(flip.id)}")
        for name in ("prompt", "reference", "candidate", "champion"):
            text = escape(getattr(flip, name))
            console.print(f"  {name + ':':<11}{text}", highlight=False)
    console.print("\ntrain rows since the champion's:")
    for change in ("added", "removed", "relabelled"):
        ids = getattr(report.data, change)
        more = f", … and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
        named = f": {escape(', '.join(ids[:SHOWN]))}{more}" if ids else ""
        console.print(f"  {change} {len(ids)}{named}", highlight=False)
