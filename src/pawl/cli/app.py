"""The application, and what its commands share."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pawl import __version__
from pawl.cli.commands import TASK, Grouped, complete_task
from pawl.cli.output import DOUBTED, QUIET
from pawl.errors import UsageError

if TYPE_CHECKING:
    from pawl.store.client import Store
    from pawl.workspace.paths import Workspace

app = typer.Typer(
    name="pawl",
    cls=Grouped,
    help="Retrain LoRA adapters on a schedule and let only better ones through.",
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    epilog="`pawl COMMAND --help` says more, with an example. The only task need not be named.",
)

Task = Annotated[
    str,
    typer.Argument(
        metavar=TASK, help="A task of params.yaml; the only one if left out.",
        show_default=False, autocompletion=complete_task,
    ),
]  # fmt: skip
Version = Annotated[
    int, typer.Argument(metavar="VERSION", help="A version of the registered model.", min=1)
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON value, errors too.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors alone.")]
All = Annotated[bool, typer.Option("--all", help="All of them, whole.")]
Limit = Annotated[int | None, typer.Option(help="As many of them.", min=1, show_default=False)]
Open = Annotated[bool, typer.Option("--open", help="Open the page, where there is a display.")]


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    folder: Annotated[Path | None, typer.Option("-C", help="Work in this workspace.")] = None,
    quiet: Quiet = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit
    help_if_alone(context)
    be_quiet(quiet)
    if folder is not None:
        if not folder.is_dir():
            raise UsageError(f"{folder} is no folder", remedy="name a workspace after -C")
        os.chdir(folder)


def help_if_alone(context: typer.Context) -> None:
    """Print the help of a group of commands that was called without one, and end."""
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit


def be_quiet(quiet: bool) -> None:
    """From now on print errors alone, if `quiet`; in the processes that this one starts, too."""
    if quiet:
        from pawl.core.processes import QUIET as TOLD

        QUIET.set(True)
        os.environ[TOLD] = "1"


def workspace_of(task: str | None = None, *, whole: bool = True) -> Workspace:
    """The workspace around the current folder; raises if it has no such task.

    `whole`: also raises where its record is gone, and tells on stderr of copies of it.
    """
    from pawl.workspace.environment import quiet_environment
    from pawl.workspace.paths import find_workspace
    from pawl.workspace.place import copies_text
    from pawl.workspace.record import refuse_lost_record

    workspace = find_workspace()
    if whole:
        refuse_lost_record(workspace)
        if told := copies_text(workspace):
            print(f"warning: {told}", file=sys.stderr)
    os.environ.update(quiet_environment(workspace))
    params = workspace.params()
    if task is not None:
        params.task(task)
    return workspace


def store_of(workspace: Workspace, doubt: str | None = None, *, reading: bool = False) -> Store:
    """The workspace's tracking store; importing MLflow takes seconds, so it happens here.

    Args:
        reading: the command changes nothing, so that a SQLite store may be read without MLflow.
        doubt: a task, for a command that shows its record and does not act on it: where that is in
            doubt, this is said on stderr, and `emit` ends the command with exit code 1.
    """
    from pawl.ledger.state import doubt_remedy, read_ledger
    from pawl.store.client import open_store

    store = open_store(workspace, reading=reading or doubt is not None)
    if doubt is not None and (ledger := read_ledger(store, doubt)).problems:
        for problem in ledger.doubts:
            print(f"in doubt: {problem}", file=sys.stderr)
        print(f"  remedy: {doubt_remedy(store, doubt, ledger)}", file=sys.stderr)
        DOUBTED.set(True)
    return store
