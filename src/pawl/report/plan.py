"""What `pawl plan` prints: the training as a table and sentences, the rest as facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pawl.report.terminal import show_facts

GIB = 1 << 30


def show_plan(facts: Mapping[str, Any], *, console: Console) -> None:
    """The facts of `pawl.commands.plan.plan`."""
    training, parameters = facts["training"], facts["parameters"]
    rest = {key: value for key, value in facts.items() if key not in ("training", "parameters")}
    show_facts(rest, console=console)
    device, peak = training["device"], training["peak"]
    # No title of the table's: it would be broken at the table's width.
    title = f"training on {escape(device['name'])}: memory at the worst moment"
    console.print(title, highlight=False)
    table = Table(box=SIMPLE_HEAD, padding=0)
    table.add_column("part", no_wrap=True)
    table.add_column("GiB", justify="right")
    for part, size in peak["parts"].items():
        table.add_row(part, f"{size / GIB:.3f}")
    table.add_section()
    table.add_row("all", f"{peak['total'] / GIB:.3f}")
    table.add_row("training may use", f"{training['usable'] / GIB:.3f}")
    console.print(table)
    trained, base = parameters["trainable"], parameters["base"]
    console.print(
        f"trains {_short(trained)} of {_short(base)} parameters ({parameters['share']:.2%})",
        highlight=False,
    )
    for line in training["says"]:
        console.print(escape(line), highlight=False)


def _short(count: int) -> str:
    for unit, size in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.1f}{unit}"
    return str(count)
