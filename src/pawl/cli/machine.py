"""Commands about the machine: schedules, servers, health, keys, disk space."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pawl.cli.app import Json, app, emit, print_json, workspace_of


@app.command()
def deploy(
    apply: Annotated[bool, typer.Option("--apply", help="Also `prefect deploy --all`.")] = False,
) -> None:
    """Write prefect.yaml from the schedules in params.yaml."""
    from pawl.commands.deploy import deploy as write

    print(write(workspace_of(), apply=apply))


@app.command()
def ui(
    mlflow_port: Annotated[int, typer.Option(min=1, max=65535)] = 5000,
    prefect_port: Annotated[int, typer.Option(min=1, max=65535)] = 4200,
) -> None:
    """Serve the MLflow UI and the Prefect UI of this workspace on loopback until Ctrl-C."""
    from pawl.commands.ui import serve_ui

    serve_ui(workspace_of(), mlflow_port=mlflow_port, prefect_port=prefect_port)


@app.command()
def worker() -> None:
    """Run the scheduled cycles of this workspace on this machine until Ctrl-C."""
    from pawl.commands.worker import work

    work(workspace_of())


@app.command()
def doctor(as_json: Json = False) -> None:
    """See whether everything is there that a cycle needs, and what to do where it is not."""
    from pawl.commands.doctor import examine
    from pawl.report.terminal import show_findings

    found = examine(workspace_of(whole=False))
    emit(found, show_findings, as_json=as_json, title="doctor")
    raise typer.Exit(0 if all(one.ok for one in found) else 1)


@app.command()
def keys(as_json: Json = False) -> None:
    """Make this machine's key to sign releases with, if it has none, and trust it."""
    from pawl.core.records import to_json
    from pawl.ledger.keys import TRUSTED, make_keys

    made = make_keys(workspace_of(whole=False))
    if as_json:
        print_json({**to_json(made), "private": str(made.private)})
        return
    word = "made" if made.made else "there already"
    print(f"private key ({word}): {made.private}; keep a copy where only you can read it")
    print(f"fingerprint: {made.fingerprint}")
    count = len(made.trusted)
    print(f"{TRUSTED} trusts {count}: commit it, and let whoever changes it be reviewed")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="A new file, or a folder to put one in.")],
    keys: Annotated[bool, typer.Option("--keys", help="Also the private keys.")] = False,
    data: Annotated[bool, typer.Option("--data", help="Also DVC's cache of the rows.")] = False,
    as_json: Json = False,
) -> None:
    """Write the record of this workspace to one file, also while cycles run."""
    from pawl.commands.backup import backup as write
    from pawl.report.terminal import show_record

    emit(write(workspace_of(), file, keys=keys, data=data), show_record, as_json=as_json)


@app.command()
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
        print("next: pawl verify TASK")


@app.command()
def gc(
    yes: Annotated[bool, typer.Option("--yes", help="Free it; without, only show it.")] = False,
    as_json: Json = False,
) -> None:
    """Show, or with --yes free, what is needed no more; nothing that a rollback needs."""
    from pawl.commands.gc import gc as collect
    from pawl.report.terminal import show_gc

    emit(collect(workspace_of(), yes=yes), show_gc, as_json=as_json)
