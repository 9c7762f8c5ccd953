"""How commands look: their groups in the help, their examples, the task that is not named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

# In the order of somebody's first weeks.
GROUPS = {
    "start": "start",
    "data": "data",
    "run": "run a cycle",
    "judge": "judge what it made",
    "release": "release",
    "serve": "serve",
    "operate": "operate",
}
# The widest name, and blanks around it.
NAMES = 10


class Grouped(TyperGroup):
    """The commands of the line by group, each with its one sentence; plain text, drawn at once."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        for group, title in (*GROUPS.items(), (None, "more")):
            rows = [
                (name.ljust(NAMES), (command.help or "").partition("\n")[0])
                for name, command in commands
                if command is not None and getattr(command, "rich_help_panel", None) == group
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


class TaskCommand(TyperCommand):
    """A command whose argument `TASK` may be left out where `params.yaml` has only one task."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for one in self.params:
            if one.metavar == TASK:
                one.required = False  # filled in below

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        asked_for_help = any(word in ctx.help_option_names for word in args)
        if not ctx.resilient_parsing and not asked_for_help and self._lacks_task(ctx, args):
            args = [only_task(), *args]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed

    def _lacks_task(self, ctx: Any, args: list[str]) -> bool:
        arguments: list[Any] = [one for one in self.params if one.param_type_name == "argument"]
        if not arguments or arguments[0].metavar != TASK:
            return False
        found, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        words = [found.get(one.name) for one in arguments]
        first = words[0]
        if not isinstance(first, str):
            return True
        if len(words) == 1 or isinstance(words[-1], str):
            # As many words as there is room for: the first is the task, or is told to be none.
            return False
        # A version is a number, a prompt a sentence; a task's name is neither. What may be a
        # version of the data is looked up.
        name = first.replace("-", "_").isidentifier() and first == first.lower()
        return not name or (arguments[1].metavar == DATA_VERSION and first not in tasks())


# Shown in the usage line; by these a command's arguments are known, too.
TASK, DATA_VERSION = "TASK", "DATA"


def command(
    of: typer.Typer, group: str | None, example: str, *, name: str | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add a function as a command of a group, with an example; its first line is the summary."""
    return of.command(name, cls=TaskCommand, rich_help_panel=group, epilog=f"Example: {example}")


def tasks() -> list[str]:
    """The tasks of the workspace around the current folder; raises `PawlError` without one."""
    from pawl.workspace.paths import find_workspace

    return sorted(find_workspace().params().tasks)


def only_task() -> str:
    """The only task there is.

    Raises:
        UsageError: there is none, or more than one.
    """
    from pawl.errors import UsageError

    names = tasks()
    if len(names) == 1:
        return names[0]
    raise UsageError(
        "no task was named",
        rule="a task need not be named where there is only one",
        remedy=f"name one: {', '.join(names)}" if names else "`pawl new TASK --data FILE` adds one",
    )


def complete_task(incomplete: str) -> list[str]:
    """The tasks that begin so, for a shell's completion; none where they cannot be read."""
    try:
        return [name for name in tasks() if name.startswith(incomplete)]
    except Exception:  # noqa: BLE001 - whatever is wrong, a shell's line is no place to say it
        return []
