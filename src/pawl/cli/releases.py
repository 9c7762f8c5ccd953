"""Commands over the record: what is and was champion, and changing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pawl.cli.app import Json, Task, Version, app, console, open_workspace, print_json, store_of

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

    workspace = open_workspace(task)
    store = store_of(workspace)
    if lineage:
        traced = trace(workspace, store, task)
        print_json(traced) if as_json else show_lineage(traced, console=console())
        return
    current = read(workspace, store, task)
    print_json(current) if as_json else show_record(current, console=console())


@app.command()
def history(task: Task, as_json: Json = False) -> None:
    """All releases, oldest first: what, when, who, why."""
    from pawl.release.history import history as read
    from pawl.report.terminal import show_history

    workspace = open_workspace(task)
    releases = read(store_of(workspace), task)
    if as_json:
        print_json(releases)
    else:
        show_history(releases, title=f"{task}: releases", console=console())


@app.command()
def compare(task: Task, a: Version, b: Version, as_json: Json = False) -> None:
    """Two versions beside each other: scores, parameters, data, commits."""
    from pawl.commands.compare import compare as read
    from pawl.report.terminal import show_record

    workspace = open_workspace(task)
    comparison = read(store_of(workspace), task, a, b)
    if as_json:
        print_json(comparison)
    else:
        show_record(comparison, console=console())


@app.command()
def replay(task: Task, version: Version, as_json: Json = False) -> None:
    """Derive a version's verdict again from its stored evidence; exit code 1 if it differs."""
    from pawl.commands.replay import replay as again
    from pawl.report.terminal import show_record

    result = again(store_of(open_workspace(task)), task, version)
    if as_json:
        print_json(result)
    else:
        show_record(result, console=console())
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

    workspace = open_workspace(task)
    checks = check(workspace, store_of(workspace), task, version)
    if as_json:
        print_json(checks)
    else:
        show_findings(checks, title=f"{task}: verify", console=console())
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

    workspace = open_workspace(task)
    report = flips_of(workspace, store_of(workspace), task, version)
    if as_json:
        print_json(report)
    else:
        show_flips(report, console=console())


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
    from pawl.ledger.provenance import author
    from pawl.release.release import promote as release

    workspace = open_workspace(task)
    who = author(workspace)
    entry = release(
        workspace, store_of(workspace), task, version, why=reason, who=who, override=override
    )
    _released(entry, as_json=as_json)


@app.command()
def rollback(
    task: Task,
    reason: Reason,
    to: Annotated[int | None, typer.Option(help="An earlier champion.", min=1)] = None,
    as_json: Json = False,
) -> None:
    """Release the champion before the present one again, or the one named by --to."""
    from pawl.ledger.provenance import author
    from pawl.release.release import rollback as release

    workspace = open_workspace(task)
    entry = release(workspace, store_of(workspace), task, why=reason, who=author(workspace), to=to)
    _released(entry, as_json=as_json)


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
    from pawl.ledger.provenance import author
    from pawl.release.release import adopt as release

    workspace = open_workspace(task)
    entry = release(
        workspace, store_of(workspace), task, why=reason, who=author(workspace), version=version
    )
    _released(entry, as_json=as_json)


@app.command()
def retire(task: Task, version: Version, reason: Reason, as_json: Json = False) -> None:
    """Never release a version again; `pawl gc` may free its files, its evidence stays."""
    from pawl.ledger.provenance import author
    from pawl.release.retire import retire as record

    workspace = open_workspace(task)
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

    workspace = open_workspace(task)
    done = relabel(workspace, store_of(workspace), task, who=author(workspace), why=reason)
    if as_json:
        print_json(done)
        return
    print("\n".join(map(relabel_text, done.changes)))
    count, number = len(done.changes), done.entry.number
    print(f"{count} held-out rows have these answers now (ledger entry {number})")


def _released(entry: Entry, *, as_json: bool) -> None:
    if as_json:
        print_json(entry)
    else:
        now = entry.new.version if entry.new else "none"
        print(f"{entry.kind}: champion is version {now} now (ledger entry {entry.number})")
