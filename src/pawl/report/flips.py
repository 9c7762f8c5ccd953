"""Flips as text for a terminal: rows lost and won, losses first, and how the train rows changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rich.text import Text

from pawl.gate.flips import Changed, Flip
from pawl.report.console import Terminal

# Flips that fit a screen of 24 lines.
SCREEN = 3


@dataclass(frozen=True)
class FlipsReport:
    """Rows won and lost `against` the champion of then; `data`: train rows that differ.

    Without a champion `against` is the name of another contender, and there is no `data`. They are
    gate rows, or those of dev where the screen on dev ended the judgement.
    """

    task: str
    version: int
    against: int | str
    metric: str
    won: tuple[Flip, ...]
    lost: tuple[Flip, ...]
    data: Changed | None
    split: Literal["dev", "gate"] = "gate"


def show_flips(
    report: FlipsReport,
    *,
    lost: bool = False,
    everything: bool = False,
    limit: int | None = None,
    console: Terminal,
) -> None:
    """Print the first flipped rows, losses before gains, a line for each text.

    `limit`: as many of them; `lost`: all that were lost, and no other; `everything`: all, and
    their texts whole.
    """
    won = () if lost else report.won
    flips = (*report.lost, *won)
    count = len(flips) if everything or (lost and limit is None) else limit or SCREEN
    on_dev = "dev " if report.split == "dev" else ""
    console.print(
        f"{report.task}: version {report.version} against {_other(report)}, "
        f"{report.metric}: {len(report.lost)} {on_dev}rows lost, {len(report.won)} won",
        highlight=False,
    )
    for flip in flips[:count]:
        _show_flip(flip, report, whole=everything, console=console)
    if len(flips) > count:
        shown_lost = min(count, len(report.lost))
        left = f"{len(report.lost) - shown_lost} lost"
        left += "" if lost else f" and {len(won) - (count - shown_lost)} won"
        console.print(f"{left} are not shown: --lost, --all, --limit N", highlight=False)
    if (data := report.data) is None:
        return
    console.print(
        f"train rows since version {report.against}: {len(data.added)} added, "
        f"{len(data.removed)} removed, {len(data.relabelled)} relabelled",
        highlight=False,
    )
    if any((data.added, data.removed, data.relabelled)):
        task, versions = report.task, f"v{report.against} v{report.version}"
        console.print(f"which ones: pawl data diff {task} {versions}", highlight=False)


def _show_flip(flip: Flip, report: FlipsReport, *, whole: bool, console: Terminal) -> None:
    word, colour = ("won", "green") if flip.won else ("lost", "red")
    console.print(Text.assemble((word, f"bold {colour}"), f"  {flip.id}"))
    texts = {
        "prompt": flip.prompt,
        "reference": flip.reference,
        f"version {report.version}": flip.candidate,
        _other(report): flip.champion,
    }
    for name, text in texts.items():
        line = f"  {name + ':':<12}{text if whole else ' '.join(text.split())}"
        # Cut at the terminal's edge, where it is not asked for whole.
        console.print(
            line, highlight=False, no_wrap=not whole, overflow="fold" if whole else "ellipsis"
        )


def _other(report: FlipsReport) -> str:
    return report.against if isinstance(report.against, str) else f"version {report.against}"
