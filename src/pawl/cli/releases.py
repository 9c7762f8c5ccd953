"""Commands over the record: what is and was champion, and changing it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pawl.cli.app import All, Json, Limit, Task, Version, app, store_of, workspace_of
from pawl.cli.commands import command
from pawl.cli.output import console, emit, print_json, say

if TYPE_CHECKING:
    from pawl.ledger.entries import Entry
    from pawl.store.client import Store
    from pawl.workspace.paths import Workspace

# What fits a screen of 24 lines: releases, and versions with what they were made from.
RELEASES, SCREEN = 12, 2
Reason = Annotated[str, typer.Option("--reason", help="Why; stored in the ledger for ever.")]


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
