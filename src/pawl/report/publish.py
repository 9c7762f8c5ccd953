"""What was published, and what is served, in lines."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from pawl.core.records.publish import Publication, Served
from pawl.report.console import Terminal


def show_publications(found: Sequence[Publication], *, console: Terminal) -> None:
    """Print each publication: the version, then what each target serves."""
    for one in found:
        console.print(f"{one.task}: {one.name} is champion", highlight=False)
        show_served(one.served, console=console)


def show_served(served: Sequence[Served], *, console: Terminal) -> None:
    """Print what each target serves, and what is wrong."""
    for one in served:
        mark = ("ok      ", "green") if one.ok else ("NOT OK  ", "bold red")
        console.print(Text.assemble("  ", mark, f"{one.target}: {one.says}"))
