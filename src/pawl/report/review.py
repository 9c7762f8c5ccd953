"""A pair of answers on a terminal, and how far a review is."""

from __future__ import annotations

from collections.abc import Sequence

from rich.rule import Rule
from rich.text import Text

from pawl.core.records import Message
from pawl.report.console import Terminal

HELP = "1 the first is better   2 the second   0 neither   s skip   u undo   q stop"


def show_pair(
    messages: Sequence[Message], answers: tuple[str, str], *, title: str, console: Terminal
) -> None:
    """Print the prompt and both answers, whole; nothing tells whose they are."""
    console.print(Rule(Text(title), align="left"))
    for message in messages:
        name = f"{message.role}: " if len(messages) > 1 else ""
        console.print(Text(f"{name}{message.content}"), style="dim", highlight=False)
    for number, answer in enumerate(answers, start=1):
        console.print(Text(f"\n{number}", "bold cyan"))
        console.print(Text(answer or "(an empty answer)"), highlight=False)
    console.print()


def show_review(
    *, task: str, labelled: int, pairs: int, same: int, judge: str, console: Terminal
) -> None:
    """Print how far a review is, and what comes next."""
    also = f"; {same} more say the same and are ties" if same else ""
    console.print(f"{task}: {labelled} of {pairs} pairs compared{also}", highlight=False)
    if judge:
        console.print(Text(judge), highlight=False)
    if labelled < pairs:
        console.print(f"go on at any time: pawl review {task}", highlight=False)
    else:
        console.print(f"next: pawl resume {task}, which lets the gate judge", highlight=False)
