"""Commands over the record: what is and was champion, and changing it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pawl.cli.app import All, Json, Limit, Open, Task, Version, app, store_of, workspace_of
from pawl.cli.commands import command
from pawl.cli.output import begin, console, emit, print_json, say, show_page
from pawl.errors import PublishError

if TYPE_CHECKING:
    from pawl.ledger.entries import Entry
    from pawl.report.console import Terminal
    from pawl.report.trends.record import TaskReport
    from pawl.store.client import Store
    from pawl.workspace.paths import Workspace

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


@command(app, "release", "pawl history tickets")
def history(
    task: Task, everything: All = False, limit: Limit = None, as_json: Json = False
) -> None:
    """The releases, newest last: what, when, who, why."""
    from pawl.release.history import history as read
    from pawl.report.terminal import show_history

    releases = read(store_of(workspace_of(task), task), task)
    rows = None if everything else limit or RELEASES
    emit(releases, show_history, as_json=as_json, title=f"{task}: releases", limit=rows)


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


@command(app, "release", "pawl verify tickets")
def verify(
    task: Task,
    version: Annotated[int | None, typer.Argument(help="Default: the champion.", min=1)] = None,
    as_json: Json = False,
) -> None:
    """Check bytes, signature, evidence, ledger and alias, afresh.

    Exit code 1 if one is off.
    """
    from pawl.release.verify import each_check
    from pawl.report.terminal import show_finding, show_outcome

    workspace, found, terminal = workspace_of(task), [], console()
    for one in each_check(workspace, store_of(workspace, reading=True), task, version):
        found.append(one)
        if not as_json:
            show_finding(one, console=terminal)
    emit(found, show_outcome, as_json=as_json, title=f"{task}: verify")
    raise typer.Exit(0 if all(one.ok for one in found) else 1)


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


@command(app, "release", "pawl promote tickets 3 --reason 'the support team asked'")
def promote(
    task: Task,
    version: Version,
    reason: Reason,
    override: Annotated[
        bool, typer.Option("--override", help="Though the gate did not say so; stays marked.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Release a version that won; with --override, any."""
    from pawl.release.release import promote as release

    _release(release, task, reason, as_json=as_json, version=version, override=override)


@command(app, "release", "pawl approve tickets 3 --reason 'read the lost rows'")
def approve(task: Task, version: Version, reason: Reason, as_json: Json = False) -> None:
    """Approve a candidate that passed the gate and waits.

    The last approval that it needs releases it.
    """
    from pawl.commands.approve import approve as record

    workspace = workspace_of(task)
    done = record(workspace, task, version, reason)
    if as_json:
        print_json(done)
    else:
        say(done.says)
    if done.released is not None:
        _publish(workspace, store_of(workspace), task, as_json=as_json)


@command(app, "release", "pawl rollback tickets --reason 'complaints since Monday'")
def rollback(
    task: Task,
    reason: Reason,
    to: Annotated[int | None, typer.Option(help="An earlier champion.", min=1)] = None,
    as_json: Json = False,
) -> None:
    """Release the champion before again, or an earlier one."""
    from pawl.release.release import rollback as release

    _release(release, task, reason, as_json=as_json, to=to)


@command(app, "release", "pawl adopt tickets 2 --reason 'restored from Monday'")
def adopt(
    task: Task,
    reason: Reason,
    version: Annotated[
        int | None, typer.Argument(help="Default: where the alias was moved to.", min=1)
    ] = None,
    as_json: Json = False,
) -> None:
    """Make official what was changed by hand, alias or ledger."""
    from pawl.release.release import adopt as release

    _release(release, task, reason, as_json=as_json, version=version)


@command(app, "release", "pawl retire tickets 3 --reason 'wrong prompt'")
def retire(task: Task, version: Version, reason: Reason, as_json: Json = False) -> None:
    """Never release a version again; its evidence stays.

    `pawl gc` may free its files then.
    """
    from pawl.ledger.provenance import author
    from pawl.release.retire import retire as record

    workspace = workspace_of(task)
    entry = record(workspace, store_of(workspace), task, version, why=reason, who=author(workspace))
    if as_json:
        print_json(entry)
    else:
        say(f"retire: version {version} is never released again (ledger entry {entry.number})")


@command(app, "data", "pawl accept tickets --reason 'the answers were wrong'")
def accept(
    task: Task,
    reason: Reason,
    removed: Annotated[
        bool, typer.Option("--removed", help="Let go gate rows that the data no longer holds.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Let the changed answers of held-out rows count from now on."""
    from pawl.commands.accept import accept as relabel
    from pawl.commands.accept import let_go
    from pawl.data.split.held_out_answers import relabel_text
    from pawl.ledger.provenance import author

    workspace = workspace_of(task)
    who, store = author(workspace), store_of(workspace)
    if removed:
        gone = let_go(workspace, store, task, who=who, why=reason)
        lines, entry = [row.id for row in gone.removed], gone.entry
        said = "gate rows judge no longer, and stay out of train"
    else:
        changed = relabel(workspace, store, task, who=who, why=reason)
        lines, entry = [*map(relabel_text, changed.changes)], changed.entry
        said = "held-out rows have these answers now"
    if as_json:
        print_json(gone if removed else changed)
        return
    say("\n".join(lines))
    say(f"{len(lines)} {said} (ledger entry {entry.number})")


def _release(
    release: Callable[..., Entry], task: str, reason: str, *, as_json: bool, **options: Any
) -> None:
    """Change the champion, signed with who and why, print the ledger's entry, and publish it."""
    from pawl.ledger.provenance import author

    workspace = workspace_of(task)
    who, store = author(workspace), store_of(workspace)
    entry = release(workspace, store, task, why=reason, who=who, **options)
    if as_json:
        print_json(entry)
    else:
        now = entry.new.version if entry.new else "none"
        say(f"{entry.kind}: champion is version {now} now (ledger entry {entry.number})")
    _publish(workspace, store, task, as_json=as_json)


def _publish(workspace: Workspace, store: Store, task: str, *, as_json: bool) -> None:
    """Publish what was released, to the targets of params.yaml if there are any."""
    from pawl.publish.publish import publish_release
    from pawl.report.publish import show_publications

    if (done := publish_release(workspace, store, task)) and not as_json:
        show_publications((done,), console=console())
