"""Commands around a cycle: set it up, plan, run, answer, reproduce."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pawl.cli.app import (
    All,
    Json,
    Open,
    Quiet,
    Task,
    Version,
    app,
    be_quiet,
    store_of,
    workspace_of,
)
from pawl.cli.commands import command
from pawl.cli.output import QUIET, begin, console, emit, print_json, say, show_page


class Turns(StrEnum):
    """Which of a chat's answers are taught, `check.turns`: typer takes no literals."""

    ALL = "all"
    LAST = "last"
    EACH = "each"


EXIT = {
    "promote": 0, "unchanged": 0, "reject": 3, "inconclusive": 4, "invalid": 5, "waiting": 7,
}  # fmt: skip


@command(app, "start", "pawl init ../mine")
def init(folder: Annotated[Path, typer.Argument(help="The folder to make it in.")]) -> None:
    """Make a new workspace: git, DVC, the flow, empty parameters."""
    from pawl.commands.init import init as make

    workspace = make(folder)
    say(f"{workspace.root} is a workspace; next: cd {folder} && pawl new TASK --data FILE.jsonl")


@command(app, "start", "pawl new intents --data rows.jsonl --schema intents.schema.json")
def new(
    task: Annotated[str, typer.Argument(help="The name of the new task.")],
    data: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="Rows: .jsonl, .json, .csv, .tsv (also packed), .parquet, .arrow; a folder of "
            "such; https://…, s3://…, hf://datasets/OWNER/NAME@REVISION.",
        ),
    ],
    schema: Annotated[Path | None, typer.Option(help="JSON Schema of the completions.")] = None,
    prompt: Annotated[Path | None, typer.Option(help="The long prompt to beat.")] = None,
    base: Annotated[str | None, typer.Option(help="Hub id or folder of the base.")] = None,
    drop_bad: Annotated[
        float, typer.Option(help="Share of unreadable rows to leave out.", min=0, max=0.2)
    ] = 0.0,
    drop_long: Annotated[
        bool, typer.Option("--drop-long", help="Leave out rows beyond the base's window.")
    ] = False,
    columns: Annotated[
        str | None,
        typer.Option(help="The rows' own keys: prompt=KEY,completion=KEY (system, tools, id)."),
    ] = None,
    turns: Annotated[
        Turns | None,
        typer.Option(help="Of a chat, teach all answers (default), the last, or each as a row."),
    ] = None,
    continues: Annotated[
        str | None,
        typer.Option(metavar="TASK", help="A task whose looks and judged rows count for this one."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Add a task: its data, and a section of params.yaml."""
    from pawl.commands.new import new_task
    from pawl.commands.sources import Sources, named_columns
    from pawl.report.new_task import show_new_task

    workspace = workspace_of()
    named = named_columns(columns or "")
    sources = Sources(
        data, schema, prompt, base, drop_bad, drop_long, named, turns.value if turns else None
    )
    made = new_task(workspace, task, sources, continues=continues)
    emit(made, show_new_task, as_json=as_json)


@command(app, "start", "pawl schema")
def schema() -> None:
    """Write params.schema.json, by which editors check params.yaml."""
    from pawl.commands.schema import write_schema

    say(write_schema(workspace_of(whole=False)))


@command(app, "run", "pawl plan tickets --device 24GB")
def plan(
    task: Task,
    device: Annotated[
        str | None,
        typer.Option(help="A card's memory, like 24GB, or cpu. Default: this machine's."),
    ] = None,
    everything: All = False,
    as_json: Json = False,
) -> None:
    """Before a training: memory, time, cost, the gain the gate sees."""
    workspace = workspace_of(task)
    # Loading torch and timing a few steps takes seconds.
    begin(f"planning a cycle of '{task}'", as_json=as_json)
    from pawl.commands.plan import plan as plan_cycle
    from pawl.report.plan import show_plan

    planned = plan_cycle(workspace, store_of(workspace, task), task, device=device)
    emit(planned, show_plan, as_json=as_json, everything=everything)


@command(app, "run", "pawl run tickets --dry-run")
def run(
    task: Task,
    force: Annotated[bool, typer.Option("--force", help="Even if nothing changed.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would do; do nothing.")
    ] = False,
    quiet: Quiet = False,
    open_page: Open = False,
    as_json: Json = False,
) -> None:
    """One cycle: check, split, train, evaluate, judge, release."""
    if dry_run:
        foresee(task, force=force, as_json=as_json)
        return
    from pawl.commands.run import run_cycle
    from pawl.report.dropped import read_dropped_text
    from pawl.report.ranks import read_rank_trials, show_rank_trials
    from pawl.report.terminal import show_cycle
    from pawl.workspace.dvc_file import shell_warning

    be_quiet(quiet)
    workspace = workspace_of(task)
    if warning := shell_warning(workspace):
        print(f"warning: {warning}", file=sys.stderr)
    with told_on_stderr():
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
        say(f"next: pawl report {task}, pawl ui (MLflow and Prefect in the browser)")
    raise typer.Exit(EXIT[cycle.verdict])


def foresee(task: str, *, force: bool, as_json: bool) -> None:
    """Print what `pawl run` would do now."""
    from pawl.commands.dry_run import dry_run
    from pawl.report.dry_run import show_dry_run

    workspace = workspace_of(task)
    found = dry_run(workspace, store_of(workspace, task), task, force=force)
    emit(found, show_dry_run, as_json=as_json)


@contextmanager
def told_on_stderr() -> Iterator[None]:
    """Within this, a cycle's steps are told on stderr as they come, unless the user wants quiet."""
    from pawl.cycle.progress import telling

    def tell(line: str) -> None:
        print(f"{datetime.now():%H:%M:%S}  {line}", file=sys.stderr)

    with nullcontext() if QUIET.get() else telling(tell, bars=not sys.stderr.isatty()):
        yield


@command(app, "run", "pawl resume tickets")
def resume(task: Task, as_json: Json = False) -> None:
    """Register what waits as the store was down; trains nothing."""
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
            say(f"nothing of '{task}' waits")
    raise typer.Exit(EXIT[cycles[-1].verdict] if cycles else 0)


@command(app, "judge", "pawl reproduce tickets 2")
def reproduce(task: Task, version: Version, as_json: Json = False) -> None:
    """Train a version again from its commit, and compare."""
    from pawl.commands.reproduce import reproduce as again
    from pawl.report.terminal import show_record

    workspace = workspace_of(task)
    result = again(workspace, store_of(workspace, reading=True), task, version)
    emit(result, show_record, as_json=as_json)
    raise typer.Exit(0 if result.same else 1)
