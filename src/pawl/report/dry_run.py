"""What `pawl run --dry-run` returns and prints."""

from __future__ import annotations

from dataclasses import dataclass

from rich.table import Table

from pawl.core.records.commands import LooksLeft
from pawl.report.console import Terminal


@dataclass(frozen=True)
class StageAhead:
    """A stage that a cycle would run, why, and the seconds that it took lately, from and to."""

    name: str
    why: str
    seconds: tuple[float, float] | None


@dataclass(frozen=True)
class DryRun:
    """What a cycle would do now.

    `unchanged`: the version that was judged on the same inputs, so that nothing would run; None if
    there is none. `waiting`: judged candidates that would be registered first. `to_review`: pairs
    of answers that people have yet to compare for one that waits, which ends a run at once.
    `champion`: the version that the candidate would be judged against.
    """

    task: str
    unchanged: int | None
    waiting: int
    stages: tuple[StageAhead, ...]
    champion: int | None
    looks: LooksLeft
    blocked: str | None
    to_review: int = 0


def show_dry_run(found: DryRun, *, console: Terminal) -> None:
    """Print what a cycle would do, a line a stage."""

    def say(text: str) -> None:
        console.print(text, highlight=False)

    if found.to_review:
        say(
            f"{found.task}: nothing would run: a candidate waits for people to compare "
            f"{found.to_review} pairs of answers (`pawl review {found.task}`); --force gives it up"
        )
        return
    if found.waiting:
        say(f"{found.task}: {found.waiting} judged candidates wait and would be registered first")
    if found.unchanged is not None:
        say(
            f"{found.task}: nothing would run: version {found.unchanged} was judged on the same "
            "inputs; --force trains again"
        )
        return
    say(f"{found.task}: a cycle would")
    table = Table.grid(padding=(0, 2))
    for stage in found.stages:
        took = f"{stage.why}; {_span(stage.seconds)} lately" if stage.seconds else stage.why
        table.add_row("", stage.name, took)
    console.print(table)
    against = f"version {found.champion}" if found.champion else "the baselines: no champion yet"
    say(f"and judge the candidate against {against}")
    if found.blocked:
        say(f"but no look can be had: {found.blocked}")
    else:
        say(f"with a look at the gate rows: {found.looks.used} of {found.looks.of} are used")


def _span(seconds: tuple[float, float]) -> str:
    low, high = (f"{one:.0f} s" if one < 90 else f"{one / 60:.0f} min" for one in seconds)
    return low if low == high else f"{low} to {high}"
