"""The ranks that `train.rank: auto` tried, as a table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pawl.core.records import RankTrial, Training, read_record
from pawl.report.console import Terminal
from pawl.report.terminal import show_rows


def read_rank_trials(path: Path) -> tuple[RankTrial, ...]:
    """The ranks that the last `training.json` has; empty without one, or with a fixed rank."""
    return read_record(path, Training).rungs if path.exists() else ()


def show_rank_trials(trials: Sequence[RankTrial], *, title: str, console: Terminal) -> None:
    """Print losses in nats a token at each rank, the gap between them, and the chosen rank."""
    if not trials:
        return
    chosen = max(trial.rank for trial in trials if trial.kept)
    rows = [
        {
            "rank": trial.rank,
            "train loss": trial.train_loss,
            "dev loss": trial.dev_loss,
            "dev - train": trial.gap,
            "p": trial.p,
            "": "chosen" if trial.rank == chosen else "" if trial.kept else "no better",
        }
        for trial in trials
    ]
    show_rows(rows, title=title, console=console)
