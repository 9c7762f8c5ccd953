"""Commands over the record: what is and was champion, and changing it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pawl.cli.app import (
    Json,
    Open,
    Task,
    Version,
    app,
    console,
    emit,
    print_json,
    show_page,
    store_of,
    workspace_of,
)

if TYPE_CHECKING:
    from pawl.ledger.entries import Entry

Reason = Annotated[str, typer.Option("--reason", help="Why; stored in the ledger for ever.")]


@app.command()
def status(
    task: Task,
    lineage: Annotated[
        bool, typer.Option("--lineage", help="Instead: what every version was made from.")
    ] = False,
    as_json: Json = False,
) -> None:
    """The champion, the last cycle's verdict, the looks left; or the lineage of all versions."""
    from pawl.commands.lineage import lineage as trace
    from pawl.commands.status import status as read
    from pawl.report.data_versions import show_lineage
    from pawl.report.terminal import show_record

    workspace = workspace_of(task)
    store = store_of(workspace, task)
    if lineage:
        emit(trace(workspace, store, task), show_lineage, as_json=as_json)
    else:
        emit(read(workspace, store, task), show_record, as_json=as_json)


@app.command()
def history(task: Task, as_json: Json = False) -> None:
    """All releases, oldest first: what, when, who, why."""
    from pawl.release.history import history as read
    from pawl.report.terminal import show_history

    releases = read(store_of(workspace_of(task), task), task)
    emit(releases, show_history, as_json=as_json, title=f"{task}: releases")


@app.command()
def report(task: Task, open_page: Open = False, as_json: Json = False) -> None:
    """Trends across cycles: scores on the same rows, releases, looks, cost; also as a page."""
    from pawl.commands.report import report as read
    from pawl.commands.report import write_page
    from pawl.report.trends.terminal import show_report

    workspace = workspace_of(task)
    found = read(workspace, store_of(workspace, task), task)
    path = write_page(workspace, found)
    if not as_json:
        show_report(found, console=console())
        show_page(path, name="page", opened=open_page)
    emit(found, lambda *_, **__: None, as_json=as_json)


@app.command()
def compare(task: Task, a: Version, b: Version, as_json: Json = False) -> None:
    """Two versions beside each other: scores, parameters, data, commits."""
    from pawl.commands.compare import compare as read
    from pawl.report.terminal import show_record

    comparison = read(store_of(workspace_of(task), task), task, a, b)
    emit(comparison, show_record, as_json=as_json)


@app.command()
def replay(task: Task, version: Version, as_json: Json = False) -> None:
    """Derive a version's verdict again from its stored evidence; exit code 1 if it differs."""
    from pawl.commands.replay import replay as again
    from pawl.report.terminal import show_record

    result = again(store_of(workspace_of(task), task), task, version)
    emit(result, show_record, as_json=as_json)
    raise typer.Exit(0 if result.same else 1)


@app.command()
def verify(
    task: Task,
    version: Annotated[int | None, typer.Argument(help="Default: the champion.", min=1)] = None,
    as_json: Json = False,
) -> None:
    """Check bytes, signature, evidence, ledger and alias, afresh; exit code 1 if one is off."""
    from pawl.release.verify import verify as check
    from pawl.report.terminal import show_findings

    workspace = workspace_of(task)
    checks = check(workspace, store_of(workspace), task, version)
    emit(checks, show_findings, as_json=as_json, title=f"{task}: verify")
    raise typer.Exit(0 if all(one.ok for one in checks) else 1)


@app.command()
def flips(
    task: Task,
    version: Annotated[int | None, typer.Argument(help="Default: the newest.", min=1)] = None,
    as_json: Json = False,
) -> None:
    """Rows that a version won and lost against its champion, and what changed in the data."""
    from pawl.commands.flips import flips_of
    from pawl.report.flips import show_flips

    workspace = workspace_of(task)
    report = flips_of(workspace, store_of(workspace, task), task, version)
    emit(report, show_flips, as_json=as_json)


@app.command()
def promote(
    task: Task,
    version: Version,
    reason: Reason,
    override: Annotated[
        bool, typer.Option("--override", help="Though the gate did not say so; stays marked.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Release a version that the gate promoted (or, with --override, any)."""
    from pawl.release.release import promote as release

    _release(release, task, reason, as_json=as_json, version=version, override=override)


@app.command()
def rollback(
    task: Task,
    reason: Reason,
    to: Annotated[int | None, typer.Option(help="An earlier champion.", min=1)] = None,
    as_json: Json = False,
) -> None:
    """Release the champion before the present one again, or the one named by --to."""
    from pawl.release.release import rollback as release

    _release(release, task, reason, as_json=as_json, to=to)


@app.command()
def adopt(
    task: Task,
    reason: Reason,
    version: Annotated[
        int | None, typer.Argument(help="Default: where the alias was moved to.", min=1)
    ] = None,
    as_json: Json = False,
) -> None:
    """Make official what was changed by hand: the alias, or a ledger that was altered."""
    from pawl.release.release import adopt as release

    _release(release, task, reason, as_json=as_json, version=version)


@app.command()
def retire(task: Task, version: Version, reason: Reason, as_json: Json = False) -> None:
    """Never release a version again; `pawl gc` may free its files, its evidence stays."""
    from pawl.ledger.provenance import author
    from pawl.release.retire import retire as record

    workspace = workspace_of(task)
    entry = record(workspace, store_of(workspace), task, version, why=reason, who=author(workspace))
    if as_json:
        print_json(entry)
    else:
        print(f"retire: version {version} is never released again (ledger entry {entry.number})")


@app.command()
def accept(task: Task, reason: Reason, as_json: Json = False) -> None:
    """Let the changed answers of held-out rows in the present data count from now on."""
    from pawl.commands.accept import accept as relabel
    from pawl.data.split.held_out_answers import relabel_text
    from pawl.ledger.provenance import author

    workspace = workspace_of(task)
    done = relabel(workspace, store_of(workspace), task, who=author(workspace), why=reason)
    if as_json:
        print_json(done)
        return
    print("\n".join(map(relabel_text, done.changes)))
    count, number = len(done.changes), done.entry.number
    print(f"{count} held-out rows have these answers now (ledger entry {number})")


def _release(
    release: Callable[..., Entry], task: str, reason: str, *, as_json: bool, **options: Any
) -> None:
    """Change the champion, signed with who and why, and print the ledger's entry."""
    from pawl.ledger.provenance import author

    workspace = workspace_of(task)
    who = author(workspace)
    entry = release(workspace, store_of(workspace), task, why=reason, who=who, **options)
    if as_json:
        print_json(entry)
    else:
        now = entry.new.version if entry.new else "none"
        print(f"{entry.kind}: champion is version {now} now (ledger entry {entry.number})")
