"""Commands over what was judged: where a task stands, why, and how versions differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pawl.cli.app import All, Json, Limit, Open, Task, Version, app, store_of, workspace_of
from pawl.cli.commands import command
from pawl.cli.output import begin, emit, show_page
from pawl.errors import PublishError

if TYPE_CHECKING:
    from pawl.report.console import Terminal
    from pawl.report.trends.record import TaskReport

# What fits a screen of 24 lines: releases, and versions with what they were made from.
RELEASES, SCREEN = 12, 2
Reason = Annotated[str, typer.Option("--reason", help="Why; stored in the ledger for ever.")]


@command(app, "judge", "pawl status tickets")
def status(
    task: Task,
    lineage: Annotated[
        bool, typer.Option("--lineage", help="Instead: what every version was made from.")
    ] = False,
    everything: All = False,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """The champion, the last verdict, the looks left, what is served.

    Exit code 8 if what the targets of `serve` serve is not the champion.
    """
    from pawl.commands.lineage import lineage as trace
    from pawl.commands.status import status as read
    from pawl.report.data_versions import show_lineage
    from pawl.report.status import show_status

    workspace = workspace_of(task)
    store = store_of(workspace, task)
    if lineage:
        found = trace(workspace, store, task)
        emit(found, show_lineage, as_json=as_json, limit=None if everything else limit or SCREEN)
    else:
        state = read(workspace, store, task)
        emit(state, show_status, as_json=as_json)
        if not all(one.ok for one in state.served):
            raise typer.Exit(PublishError.exit_code)


@command(app, "judge", "pawl report tickets --open")
def report(task: Task, open_page: Open = False, as_json: Json = False) -> None:
    """Trends across cycles: scores, releases, looks, cost.

    Versions are compared on the rows that all of them answered. Writes a page, too.
    """
    from pawl.commands.report import report as read
    from pawl.commands.report import write_page
    from pawl.report.trends.terminal import show_report

    workspace = workspace_of(task)
    begin(f"reading the versions of '{task}' and their rows", as_json=as_json)
    found = read(workspace, store_of(workspace, task), task)
    path = write_page(workspace, found)

    def show(found: TaskReport, *, console: Terminal) -> None:
        show_report(found, console=console)
        show_page(path, name="page", opened=open_page)

    emit(found, show, as_json=as_json)


@command(app, "judge", "pawl compare tickets 1 2")
def compare(
    task: Task, a: Version, b: Version, everything: All = False, as_json: Json = False
) -> None:
    """Two versions side by side: scores, data, code, parameters."""
    from pawl.commands.compare import compare as read
    from pawl.report.compare import show_comparison

    comparison = read(store_of(workspace_of(task), task), task, a, b)
    emit(comparison, show_comparison, as_json=as_json, everything=everything)


@command(app, "judge", "pawl replay tickets 2")
def replay(task: Task, version: Version, as_json: Json = False) -> None:
    """A version's verdict again, from its stored evidence.

    Exit code 1 if it differs.
    """
    from pawl.commands.replay import replay as again
    from pawl.report.terminal import show_record

    workspace = workspace_of(task)
    begin(f"deriving the verdict on version {version} of '{task}' again", as_json=as_json)
    result = again(store_of(workspace, task), task, version)
    emit(result, show_record, as_json=as_json)
    raise typer.Exit(0 if result.same else 1)


@command(app, "judge", "pawl flips tickets 2 --lost")
def flips(
    task: Task,
    version: Annotated[int | None, typer.Argument(help="Default: the newest.", min=1)] = None,
    lost: Annotated[bool, typer.Option("--lost", help="All lost rows, and no other.")] = False,
    everything: All = False,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """Rows lost and won against the champion, losses first."""
    from pawl.commands.flips import flips_of
    from pawl.report.flips import show_flips

    workspace = workspace_of(task)
    report = flips_of(workspace, store_of(workspace, task), task, version)
    shown = {"lost": lost, "everything": everything, "limit": limit}
    emit(report, show_flips, as_json=as_json, **shown)
