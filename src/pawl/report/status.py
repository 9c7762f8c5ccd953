"""The state of a task in sentences, the champion first."""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text

from pawl.core.records.commands import FreshRows, LooksLeft
from pawl.core.records.publish import Served
from pawl.report.console import Terminal
from pawl.report.publish import show_served
from pawl.report.terminal import COLOURS, minute


@dataclass(frozen=True)
class ChampionStatus:
    """The champion and its release; `unearned`: kind and reason of a release without the gate."""

    version: int | None
    digest: str | None
    since: str | None
    why: str | None
    kind: str | None
    unearned: str | None


@dataclass(frozen=True)
class LastCycle:
    """The verdict of the newest finished cycle, and when it ended (UTC, ISO 8601)."""

    verdict: str
    reasons: tuple[str, ...]
    when: str


@dataclass(frozen=True)
class TaskStatus:
    """The state of a task; what cannot be read is None, and `notes` has the reason.

    `page` is the last cycle's verdict page, relative to the workspace; None without one.

    `notes` are problems: an alias moved by hand, a ledger that was altered, a champion whose bytes
    changed or that has no verified local copy. `served` is what the targets serve of it, empty
    where it is not published.
    """

    task: str
    champion: ChampionStatus
    last: LastCycle | None
    looks: LooksLeft | None
    fresh_rows: FreshRows | None
    page: str | None
    notes: tuple[str, ...]
    served: tuple[Served, ...] = ()


def show_status(status: TaskStatus, *, console: Terminal) -> None:
    """Print champion, last verdict, looks, fresh rows; then what is wrong, if anything is."""
    console.print(f"{status.task}: {_champion(status.champion)}", highlight=False)
    if (last := status.last) is None:
        console.print(f"last cycle: none yet; `pawl run {status.task}` makes one", highlight=False)
    else:
        verdict = (last.verdict, f"bold {COLOURS.get(last.verdict, 'red')}")
        console.print(Text.assemble("last cycle: ", verdict, f", {minute(last.when)}"))
        for reason in last.reasons:
            console.print(f"  • {reason}", highlight=False)
    if status.page:
        console.print(f"verdict page: {status.page}", highlight=False)
    if looks := status.looks:
        console.print(f"looks: {looks.used} of {looks.of} used; {looks.says}", highlight=False)
    if rows := status.fresh_rows:
        text = f"fresh gate rows: {rows.there}; a new budget of looks needs {rows.needed}"
        console.print(text, highlight=False)
    if status.served:
        wrong = any(not one.ok for one in status.served)
        told = (
            f"not the champion; `pawl publish {status.task}` mends it" if wrong else "the champion"
        )
        console.print(f"served: {told}", highlight=False)
        show_served(status.served, console=console)
    if not status.notes:
        console.print("problems: none")
        return
    console.print(Text("problems:", "bold red"))
    for note in status.notes:
        console.print(f"  • {note}", highlight=False)


def _champion(champion: ChampionStatus) -> str:
    if champion.version is None:
        return "no champion yet"
    text = f"version {champion.version} is champion"
    if champion.since:
        text += f" since {minute(champion.since)} ({champion.kind}: {champion.why})"
    return text + (f"; released without the gate, {champion.unearned}" if champion.unearned else "")
