"""The application, what its commands share, and how results are printed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pawl import __version__
from pawl.errors import UsageError

if TYPE_CHECKING:
    from pawl.report.console import Terminal
    from pawl.store.client import Store
    from pawl.workspace.paths import Workspace

app = typer.Typer(
    name="pawl",
    help="Retrain LoRA adapters on a schedule and let only better ones through.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)

# Whether the record that the running command shows is in doubt. Not in click's context: typer has
# a click of its own, whose context another one does not see.
DOUBTED: ContextVar[bool] = ContextVar("pawl.doubted", default=False)
Task = Annotated[str, typer.Argument(help="A task of params.yaml.", show_default=False)]
Version = Annotated[int, typer.Argument(help="A version of the registered model.", min=1)]
Open = Annotated[bool, typer.Option("--open", help="Open the page, where there is a display.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON value for machines.")]


@app.callback(invoke_without_command=True)
def _root(
    folder: Annotated[Path | None, typer.Option("-C", help="Work in this workspace.")] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit
    if folder is not None:
        if not folder.is_dir():
            raise UsageError(f"{folder} is no folder", remedy="name a workspace after -C")
        os.chdir(folder)


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


def store_of(workspace: Workspace, doubt: str | None = None) -> Store:
    """The workspace's tracking store; importing MLflow takes seconds, so it happens here.

    Args:
        doubt: a task, for a command that shows its record and does not act on it: where that is in
            doubt, this is said on stderr, and `emit` ends the command with exit code 1.
    """
    from pawl.ledger.state import doubt_remedy, read_ledger
    from pawl.store.client import open_store

    store = open_store(workspace)
    if doubt is not None and (ledger := read_ledger(store, doubt)).problems:
        for problem in ledger.doubts:
            print(f"in doubt: {problem}", file=sys.stderr)
        print(f"  remedy: {doubt_remedy(store, doubt, ledger)}", file=sys.stderr)
        DOUBTED.set(True)
    return store


def console() -> Terminal:
    """The terminal, for tables."""
    from pawl.report.console import Terminal

    return Terminal()


def show_page(path: Path, *, name: str, opened: bool) -> None:
    """Print where a page is, and open it in a browser where there is a display."""
    import webbrowser

    print(f"{name}: {os.path.relpath(path)}")
    shown = sys.platform in ("darwin", "win32") or {"DISPLAY", "WAYLAND_DISPLAY"} & {*os.environ}
    if opened and shown:
        webbrowser.open(path.resolve().as_uri())


def print_json(value: Any) -> None:
    """Print one JSON value; records in it, or the value itself, become their JSON."""
    from pawl.core.records import to_json
    from pawl.core.visible import visible_json

    text = json.dumps(
        value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False, default=to_json
    )
    print(visible_json(text))


def emit(value: Any, show: Callable[..., None], *, as_json: bool, **options: Any) -> None:
    """Print a result as JSON, or on the terminal with `show(value, console=…, **options)`."""
    if as_json:
        print_json(value)
    else:
        show(value, console=console(), **options)
    if DOUBTED.get():
        raise typer.Exit(1)
