"""Commands about the machine: schedules, servers, health, keys, disk space."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pawl.cli.app import Json, app, store_of, workspace_of
from pawl.cli.commands import command
from pawl.cli.output import begin, console, emit, print_json, say

Shell = Literal["bash", "zsh", "fish"]
# Where a shell asks for words; `pawl.cli.main` answers.
COMPLETE = "_PAWL_COMPLETE"


@command(app, "operate", "pawl deploy --apply")
def deploy(
    apply: Annotated[bool, typer.Option("--apply", help="Also register all in Prefect.")] = False,
) -> None:
    """Write prefect.yaml; --apply has Prefect run what is in it."""
    from pawl.commands.deploy import deploy as write

    say(write(workspace_of(), apply=apply))


@command(app, "operate", "pawl name support")
def name(
    new: Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, single dashes.")],
    as_json: Json = False,
) -> None:
    """Name the workspace on shared servers; its record comes along."""
    from pawl.commands.name import name_workspace

    workspace = workspace_of()
    done = name_workspace(workspace, store_of(workspace), new)
    if as_json:
        print_json(done)
        return
    carried = f" (in MLflow: {', '.join(done.carried)})" if done.carried else ""
    say(f"the workspace's name is {done.name}{carried}")
    say("next: commit params.yaml and prefect.yaml; where it is deployed: pawl deploy --apply")


@command(app, "operate", "pawl ui")
def ui(
    mlflow_port: Annotated[int, typer.Option(min=1, max=65535)] = 5000,
    prefect_port: Annotated[int, typer.Option(min=1, max=65535)] = 4200,
) -> None:
    """MLflow and Prefect in the browser, until Ctrl-C."""
    from pawl.commands.ui import serve_ui

    serve_ui(workspace_of(), mlflow_port=mlflow_port, prefect_port=prefect_port)


@command(app, "operate", "pawl worker")
def worker() -> None:
    """Run the scheduled cycles on this machine until Ctrl-C."""
    from pawl.commands.worker import work

    work(workspace_of())


@command(app, "start", "pawl doctor")
def doctor(as_json: Json = False) -> None:
    """Is everything there that a cycle needs, and if not, what to do?"""
    from pawl.commands.doctor import examine
    from pawl.report.terminal import show_finding
    from pawl.workspace.paths import has_workspace

    found, terminal = [], console()
    for one in examine(workspace_of(whole=False) if has_workspace() else None):
        found.append(one)
        if not as_json:
            # At once: loading torch takes seconds.
            show_finding(one, console=terminal)
    if as_json:
        print_json(found)
    raise typer.Exit(0 if all(one.ok for one in found) else 1)


@command(app, "start", "pawl completion bash >> ~/.bashrc")
def completion(
    shell: Annotated[Shell, typer.Argument(help="The shell that shall complete.")],
) -> None:
    """A script that lets a shell complete commands and tasks."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    print(get_completion_script(prog_name="pawl", complete_var=COMPLETE, shell=shell))


@command(app, "operate", "pawl keys")
def keys(as_json: Json = False) -> None:
    """Make this machine's key to sign with, if it has none."""
    from pawl.core.records import to_json
    from pawl.ledger.keys import TRUSTED, make_keys

    made = make_keys(workspace_of(whole=False))
    if as_json:
        print_json({**to_json(made), "private": str(made.private)})
        return
    word = "made" if made.made else "there already"
    say(f"private key ({word}): {made.private}; keep a copy where only you can read it")
    say(f"fingerprint: {made.fingerprint}")
    count = len(made.trusted)
    say(f"{TRUSTED} trusts {count}: commit it, and let whoever changes it be reviewed")


@command(app, "operate", "pawl backup /mnt/backups")
def backup(
    file: Annotated[Path, typer.Argument(help="A new file, or a folder to put one in.")],
    keys: Annotated[bool, typer.Option("--keys", help="Also the private keys.")] = False,
    data: Annotated[bool, typer.Option("--data", help="Also DVC's cache of the rows.")] = False,
    as_json: Json = False,
) -> None:
    """Write the record to one file, also while cycles run."""
    from pawl.commands.backup import backup as write
    from pawl.report.terminal import show_record

    emit(write(workspace_of(), file, keys=keys, data=data), show_record, as_json=as_json)


@command(app, "operate", "pawl restore /mnt/backups/pawl-2026-11-28.tar")
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `pawl backup` wrote.")],
    missing: Annotated[
        bool, typer.Option("--missing", help="Only what is gone; what is there stays.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring a backup back, verified; overwrites nothing."""
    from pawl.commands.restore import restore as bring
    from pawl.report.terminal import show_record

    emit(bring(workspace_of(whole=False), file, missing=missing), show_record, as_json=as_json)
    if not as_json:
        say("next: pawl verify TASK")


@command(app, "operate", "pawl gc --yes")
def gc(
    yes: Annotated[bool, typer.Option("--yes", help="Free it; without, only show it.")] = False,
    as_json: Json = False,
) -> None:
    """Show, or with --yes free, what is needed no more.

    Nothing that a rollback needs is among it.
    """
    from pawl.commands.gc import gc as collect
    from pawl.report.terminal import show_gc

    workspace = workspace_of()
    begin("looking for what nothing needs any more", as_json=as_json)
    emit(collect(workspace, yes=yes), show_gc, as_json=as_json)
