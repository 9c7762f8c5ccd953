"""The ranks that `train.rank: auto` tried, as a table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from pawl.core.records import RankTrial, read_record
from pawl.report.terminal import show_rows


@dataclass(frozen=True)
class Training:
    """What `training.json` says of ranks; none where the rank was a number."""

    rungs: tuple[RankTrial, ...] = ()


def read_rungs(path: Path) -> tuple[RankTrial, ...]:
    """The rungs of the last training, none where there was no training yet."""
    return read_record(path, Training).rungs if path.exists() else ()


def show_rungs(rungs: Sequence[RankTrial], *, title: str, console: Console) -> None:
    """Losses in nats a token at each rank, the gap between them, and the rank that was kept."""
    if not rungs:
        return
    chosen = max(rung.rank for rung in rungs if rung.kept)
    rows = [
        {
            "rank": rung.rank,
            "train loss": rung.train_loss,
            "dev loss": rung.dev_loss,
            "dev - train": rung.gap,
            "p": rung.p,
            "": "chosen" if rung.rank == chosen else "" if rung.kept else "no better",
        }
        for rung in rungs
    ]
    show_rows(rows, title=title, console=console)
