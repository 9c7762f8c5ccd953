"""Commands over a task's data: a new delivery, what changed, an earlier version again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pawl.cli.app import All, Json, Limit, Task, app, help_if_alone, store_of, workspace_of
from pawl.cli.commands import DATA_VERSION, Grouped, command, only_task
from pawl.cli.output import begin, emit, print_json, say
from pawl.core.visible import visible

if TYPE_CHECKING:
    from pawl.data.versions.deliver import Delivery

data = typer.Typer(help="Versions of the data: add, restore, diff, log.", cls=Grouped)
app.add_typer(data, name="data", rich_help_panel="data", epilog="Example: pawl data log tickets")
# What fits a screen.
VERSIONS = 12


@data.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    help_if_alone(context)


Message = Annotated[
    str | None, typer.Option("--commit", help="Also commit it to git, with this message.")
]


@command(data, "data", "pawl data add monday.jsonl --commit 'rows of Monday'")
def add(
    file: Annotated[
        str,
        typer.Argument(help="Rows, in the format of the task's data; or their address (pawl new)."),
    ],
    task: Annotated[str | None, typer.Option(help="Default: the only one there is.")] = None,
    commit: Message = None,
    as_json: Json = False,
) -> None:
    """Make a file's rows the task's data, whole or not at all.

    DVC keeps the rows of before: `pawl data restore` brings them back.
    """
    from pawl.data.versions.deliver import add as deliver

    workspace = workspace_of(task)
    done = deliver(workspace, task or only_task(), file, message=commit)
    _delivered(done, "added", as_json=as_json)


@command(data, "data", "pawl data restore tickets v2")
def restore(
    task: Task,
    version: Annotated[
        str,
        typer.Argument(metavar=DATA_VERSION, help="v3, a git revision, or an md5 or sha256."),
    ],
    commit: Message = None,
    as_json: Json = False,
) -> None:
    """The rows of an earlier version again, from DVC."""
    from pawl.commands.data_version import resolve
    from pawl.data.versions.deliver import restore as bring

    workspace = workspace_of(task)
    wanted = resolve(workspace, lambda: store_of(workspace, reading=True), task, version)
    _delivered(bring(workspace, task, wanted, message=commit), "restored", as_json=as_json)


@command(data, "data", "pawl data diff tickets v1 v2")
def diff(
    task: Task,
    a: Annotated[str, typer.Argument(metavar=DATA_VERSION, help="The version before.")] = "HEAD",
    b: Annotated[str, typer.Argument(help="The version after.")] = "workspace",
    rules: Annotated[bool, typer.Option(help="Run the check's rules on both.")] = True,
    as_json: Json = False,
) -> None:
    """Rows added, removed, relabelled; the rules before and after."""
    from pawl.commands.data_diff import diff as compare
    from pawl.report.data_versions import show_diff

    workspace = workspace_of(task)
    also = ", and what the check finds in each" if rules else ""
    begin(f"comparing rows{also}", as_json=as_json)
    found = compare(workspace, lambda: store_of(workspace, reading=True), task, a, b, ruled=rules)
    emit(found, show_diff, as_json=as_json)


@command(data, "data", "pawl data log tickets")
def log(task: Task, everything: All = False, limit: Limit = None, as_json: Json = False) -> None:
    """The versions of the data, and what was made from each."""
    from pawl.commands.lineage import lineage
    from pawl.report.data_versions import show_log

    workspace = workspace_of(task)
    versions = lineage(workspace, store_of(workspace, task), task).data
    rows = None if everything else limit or VERSIONS
    emit(versions, show_log, as_json=as_json, title=f"{task}: data", limit=rows)


def _delivered(done: Delivery, verb: str, *, as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    bad = f", {done.bad} left out" if done.bad else ""
    say(f"{verb}: {done.data} has {done.rows} rows{bad} (md5 {done.md5[:12]})")
    if done.source:
        from pawl.report.data_versions import fetched_from

        say(visible(f"fetched from {fetched_from(done.source)}"))
    if done.before not in (None, done.md5):
        say(f"before: md5 {done.before}; `pawl data restore {done.task} {done.before[:12]}`")
    say(f"commit: {done.commit or 'none made'}")
    say(f"next: pawl data diff {done.task}, pawl check {done.task}, pawl run {done.task}")
