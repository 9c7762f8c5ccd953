"""Commands over the record: what is champion, what was, and changing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pawl.cli.app import Json, Task, Version, app, console, open_workspace, print_json, store_of

if TYPE_CHECKING:
    from pawl.ledger.entries import Entry

Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the ledger for ever.")]


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
    from pawl.report.terminal import show_facts

    workspace = open_workspace(task)
    store = store_of(workspace)
    facts = trace(workspace, store, task) if lineage else read(workspace, store, task)
    if as_json:
        print_json(facts)
    elif lineage:
        show_lineage(facts, console=console())
    else:
        show_facts(facts, console=console())


@app.command()
def history(task: Task, as_json: Json = False) -> None:
    """All releases, oldest first: what, when, who, why."""
    from pawl.release.history import history as read
    from pawl.report.terminal import show_history

    workspace = open_workspace(task)
    rows = read(store_of(workspace), task)
    if as_json:
        print_json(rows)
    else:
        show_history(rows, title=f"{task}: releases", console=console())


@app.command()
def compare(task: Task, a: Version, b: Version, as_json: Json = False) -> None:
    """Two versions beside each other: scores, parameters, data, commits."""
    from pawl.commands.compare import compare as read
    from pawl.report.terminal import show_facts

    workspace = open_workspace(task)
    facts = read(store_of(workspace), task, a, b)
    if as_json:
        print_json(facts)
    else:
        show_facts(facts, console=console())


@app.command()
def replay(task: Task, version: Version, as_json: Json = False) -> None:
    """Derive a version's verdict again from its stored evidence; exit code 1 if it differs."""
    from pawl.commands.replay import replay as again
    from pawl.report.terminal import show_facts

    facts = again(store_of(open_workspace(task)), task, version)
    if as_json:
        print_json(facts)
    else:
        show_facts(facts, console=console())
    raise typer.Exit(0 if facts["same"] else 1)


@app.command()
def verify(
    task: Task,
    version: Annotated[int | None, typer.Argument(help="Default: the champion.", min=1)] = None,
    as_json: Json = False,
) -> None:
    """Check bytes, signature, evidence, ledger and alias, afresh; exit code 1 if one is off."""
    from dataclasses import asdict

    from pawl.release.verify import verify as check
    from pawl.report.terminal import show_findings

    workspace = open_workspace(task)
    found = [asdict(one) for one in check(workspace, store_of(workspace), task, version)]
    if as_json:
        print_json(found)
    else:
        show_findings(found, title=f"{task}: verify", console=console())
    raise typer.Exit(0 if all(one["ok"] for one in found) else 1)


@app.command()
def flips(
    task: Task,
    version: Annotated[int | None, typer.Argument(help="Default: the newest.", min=1)] = None,
    as_json: Json = False,
) -> None:
    """Rows that a version won and lost against its champion, and what changed in the data."""
    from pawl.commands.flips import flips_of
    from pawl.report.terminal import show_flips

    workspace = open_workspace(task)
    facts = flips_of(workspace, store_of(workspace), task, version)
    if as_json:
        print_json(facts)
    else:
        show_flips(facts, console=console())


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
    from pawl.core.records import to_json
    from pawl.ledger.provenance import author
    from pawl.release.retire import retire as record

    workspace = open_workspace(task)
    entry = record(workspace, store_of(workspace), task, version, why=reason, who=author(workspace))
    if as_json:
        print_json(to_json(entry))
    else:
        print(f"retire: version {version} is never released again (ledger entry {entry.number})")


@app.command()
def accept(task: Task, reason: Reason, as_json: Json = False) -> None:
    """Let the changed answers of held-out rows in the present data count from now on."""
    from pawl.commands.accept import accept as relabel
    from pawl.core.records import to_json
    from pawl.data.split.pinned import relabel_text
    from pawl.ledger.provenance import author

    workspace = open_workspace(task)
    entry, changes = relabel(
        workspace, store_of(workspace), task, who=author(workspace), why=reason
    )
    if as_json:
        print_json({"entry": to_json(entry), "changes": [to_json(change) for change in changes]})
        return
    print("\n".join(map(relabel_text, changes)))
    print(f"{len(changes)} held-out rows have these answers now (ledger entry {entry.number})")


def _released(entry: Entry, *, as_json: bool) -> None:
    if as_json:
        from pawl.core.records import to_json

        print_json(to_json(entry))
    else:
        now = entry.new.version if entry.new else "none"
        print(f"{entry.kind}: champion is version {now} now (ledger entry {entry.number})")
