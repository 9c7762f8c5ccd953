"""Commands over a task's data: a new delivery, what changed, an earlier version again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pawl.cli.app import Json, Task, app, emit, print_json, store_of, workspace_of
from pawl.errors import UsageError

if TYPE_CHECKING:
    from pawl.data.versions.deliver import Delivery
    from pawl.workspace.paths import Workspace

data = typer.Typer(help="Versions of a task's data, in DVC and git.", no_args_is_help=True)
app.add_typer(data, name="data")

Message = Annotated[
    str | None, typer.Option("--commit", help="Also commit it to git, with this message.")
]


@data.command()
def add(
    file: Annotated[Path, typer.Argument(help="Rows, in the format of the task's data.")],
    task: Annotated[str | None, typer.Option(help="Default: the only one there is.")] = None,
    commit: Message = None,
    as_json: Json = False,
) -> None:
    """Make the rows of a file the task's data, whole or not at all; DVC keeps the old ones."""
    from pawl.data.versions.deliver import add as deliver

    workspace = workspace_of(task)
    done = deliver(workspace, task or _only_task(workspace), file, message=commit)
    _delivered(done, "added", as_json=as_json)


@data.command()
def restore(
    task: Task,
    version: Annotated[str, typer.Argument(help="v3, a git revision, or an md5 or sha256.")],
    commit: Message = None,
    as_json: Json = False,
) -> None:
    """Bring the rows of an earlier version back, from DVC's cache or remote, verified."""
    from pawl.commands.data_version import resolve
    from pawl.data.versions.deliver import restore as bring

    workspace = workspace_of(task)
    wanted = resolve(workspace, lambda: store_of(workspace, reading=True), task, version)
    _delivered(bring(workspace, task, wanted, message=commit), "restored", as_json=as_json)


@data.command()
def diff(
    task: Task,
    a: Annotated[str, typer.Argument(help="The version before.")] = "HEAD",
    b: Annotated[str, typer.Argument(help="The version after.")] = "workspace",
    rules: Annotated[bool, typer.Option(help="Run the check's rules on both.")] = True,
    as_json: Json = False,
) -> None:
    """Rows added, removed and relabelled between two versions; the rules before and after."""
    from pawl.commands.data_diff import diff as compare
    from pawl.report.data_versions import show_diff

    workspace = workspace_of(task)
    found = compare(workspace, lambda: store_of(workspace, reading=True), task, a, b, ruled=rules)
    emit(found, show_diff, as_json=as_json)


@data.command()
def log(task: Task, as_json: Json = False) -> None:
    """The versions of the data, newest first, and the adapters made from each."""
    from pawl.commands.lineage import lineage
    from pawl.report.data_versions import show_log

    workspace = workspace_of(task)
    versions = lineage(workspace, store_of(workspace, task), task).data
    emit(versions, show_log, as_json=as_json, title=f"{task}: data")


def _only_task(workspace: Workspace) -> str:
    names = sorted(workspace.params().tasks)
    if len(names) != 1:
        raise UsageError(
            "no task was named",
            rule="a delivery is one task's",
            remedy=f"name it with --task: {', '.join(names) or 'there is none, see `pawl new`'}",
        )
    return names[0]


def _delivered(done: Delivery, verb: str, *, as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    bad = f", {done.bad} left out" if done.bad else ""
    print(f"{verb}: {done.data} has {done.rows} rows{bad} (md5 {done.md5[:12]})")
    if done.before not in (None, done.md5):
        print(f"before: md5 {done.before}; `pawl data restore {done.task} {done.before[:12]}`")
    print(f"commit: {done.commit or 'none made'}")
    print(f"next: pawl data diff {done.task}, pawl check {done.task}, pawl run {done.task}")
