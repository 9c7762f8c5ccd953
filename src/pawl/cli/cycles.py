"""Commands around a cycle: set it up, plan, run, answer, reproduce."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

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
from pawl.errors import UsageError

EXIT = {"promote": 0, "unchanged": 0, "reject": 3, "inconclusive": 4, "invalid": 5}


@app.command()
def init(folder: Path) -> None:
    """Make a new workspace: git, DVC, the flow, empty parameters."""
    from pawl.commands.init import init as make

    workspace = make(folder)
    print(f"{workspace.root} is a workspace; next: cd {folder} && pawl new TASK --data FILE.jsonl")


@app.command()
def new(
    task: Task,
    data: Annotated[
        Path, typer.Option(help="Rows: .jsonl[.gz], .csv, .parquet.", exists=True, dir_okay=False)
    ],
    schema: Annotated[Path | None, typer.Option(help="JSON Schema of the completions.")] = None,
    prompt: Annotated[Path | None, typer.Option(help="The long prompt to beat.")] = None,
    base: Annotated[str | None, typer.Option(help="Hub id or folder of the base.")] = None,
    drop_bad: Annotated[
        float, typer.Option(help="Share of unreadable rows to leave out.", min=0, max=0.2)
    ] = 0.0,
    as_json: Json = False,
) -> None:
    """Add a task to this workspace: its data, and a section of params.yaml."""
    from pawl.commands.new import Sources, new_task

    workspace = workspace_of()
    section = new_task(workspace, task, Sources(data, schema, prompt, base, drop_bad))
    if as_json:
        print_json({"task": task, "section": section})
    else:
        print(f"task '{task}' added to params.yaml; next: pawl run {task}")


@app.command()
def plan(
    task: Task,
    device: Annotated[
        str | None,
        typer.Option(help="A card's memory, like 24GB, or cpu. Default: this machine's."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Before training: memory, time and cost on a device, and the gain that the gate can see."""
    from pawl.commands.plan import plan as plan_cycle
    from pawl.report.plan import show_plan

    workspace = workspace_of(task)
    planned = plan_cycle(workspace, store_of(workspace, task), task, device=device)
    emit(planned, show_plan, as_json=as_json)


@app.command()
def run(
    task: Task,
    force: Annotated[bool, typer.Option("--force", help="Even if nothing changed.")] = False,
    open_page: Open = False,
    as_json: Json = False,
) -> None:
    """Run one cycle: check, split, train, evaluate, gate, register, release."""
    from pawl.commands.run import run_cycle
    from pawl.report.dropped import read_dropped_text
    from pawl.report.ranks import read_rank_trials, show_rank_trials
    from pawl.report.terminal import show_cycle
    from pawl.workspace.dvc_file import shell_warning

    workspace = workspace_of(task)
    if warning := shell_warning(workspace):
        print(f"warning: {warning}", file=sys.stderr)
    cycle = run_cycle(workspace, task, force=force)
    if as_json:
        print_json(cycle)
    else:
        files, terminal = workspace.files(task), console()
        trials = read_rank_trials(files.training)
        show_rank_trials(trials, title=f"{task}: ranks", console=terminal)
        dropped = read_dropped_text(files.splits / "manifest.json")
        show_cycle(cycle, left_out=dropped, console=terminal)
        show_page(files.page, name="verdict page", opened=open_page)
        print(f"next: pawl report {task}, pawl ui (MLflow and Prefect in the browser)")
    raise typer.Exit(EXIT[cycle.verdict])


@app.command()
def resume(task: Task, as_json: Json = False) -> None:
    """Register what waits because the tracking store was not there; trains nothing."""
    from pawl.commands.resume import resume as go_on
    from pawl.report.terminal import show_cycle

    cycles = go_on(workspace_of(task), task)
    if as_json:
        print_json(cycles)
    else:
        for cycle in cycles:
            # What waited may be older than the rows in build/.
            show_cycle(cycle, left_out=(), console=console())
        if not cycles:
            print(f"nothing of '{task}' waits")
    raise typer.Exit(EXIT[cycles[-1].verdict] if cycles else 0)


@app.command()
def predict(
    task: Task,
    prompt: Annotated[list[str] | None, typer.Argument(help="Prompts; none: stdin lines.")] = None,
    version: Annotated[int | None, typer.Option(help="Default: the champion.", min=1)] = None,
    as_json: Json = False,
) -> None:
    """Answer prompts with the champion, or with another version."""
    from pawl.commands.predict import predict as decode

    workspace = workspace_of(task)
    prompts = prompt or [line.rstrip("\n") for line in sys.stdin if line.strip()]
    if not prompts:
        raise UsageError("no prompt was given", remedy="name one, or pipe lines into stdin")
    predictions = decode(workspace, store_of(workspace), task, prompts, version=version)
    if as_json:
        print_json(predictions)
    else:
        print("\n".join(one.answer for one in predictions))


@app.command()
def reproduce(task: Task, version: Version, as_json: Json = False) -> None:
    """Train a version again from its commit in a clean worktree; compare bytes and dev scores."""
    from pawl.commands.reproduce import reproduce as again
    from pawl.report.terminal import show_record

    workspace = workspace_of(task)
    result = again(workspace, store_of(workspace), task, version)
    emit(result, show_record, as_json=as_json)
    raise typer.Exit(0 if result.same else 1)
