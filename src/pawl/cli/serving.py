"""Commands that answer: prompts at the terminal, files of them, and callers over HTTP."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from pawl.cli.app import Json, Task, app, store_of, workspace_of
from pawl.cli.commands import command, complete_task
from pawl.cli.output import begin, emit, print_json, say
from pawl.errors import PublishError, UsageError


@command(app, "serve", "pawl serve --port 8000")
def serve(
    tasks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TASKS", help="Default: all of params.yaml.", autocompletion=complete_task
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Others than this machine need a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option(help="A token a line, mode 0600. Also: PAWL_SERVE_TOKENS."),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=4096, help="Prompts at once.")] = 32,
    queue: Annotated[int, typer.Option(min=1, max=100_000, help="Prompts that may wait.")] = 128,
    timeout: Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds a request.")] = 60,
    max_prompt: Annotated[int, typer.Option(min=1, help="Most tokens of a prompt.")] = 4096,
    max_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of an answer.")] = 1024,
    every: Annotated[
        float, typer.Option(min=0.1, max=3600, help="Seconds between two looks at the ledger.")
    ] = 1,
    log: Annotated[Path | None, typer.Option(help="A line a request, without its texts.")] = None,
) -> None:
    """Answer callers with the champions: OpenAI's API, until Ctrl-C.

    `model` is a task, for its champion, or TASK-vN. A promotion or rollback is followed without a
    restart; SIGTERM lets what was begun be answered.
    """
    from pawl.commands.serve import serve_tasks
    from pawl.serve.access import read_tokens
    from pawl.serve.limits import Limits
    from pawl.serve.server import Serving

    workspace = workspace_of()
    limits = Limits(batch, queue, timeout, max_prompt, max_tokens)
    serving = Serving(host, port, read_tokens(token_file), log, every, limits)
    serve_tasks(workspace, store_of(workspace, reading=True), tasks or [], serving)


@command(app, "serve", "pawl publish tickets")
def publish(
    tasks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TASKS", help="Default: all with a target.", autocompletion=complete_task
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Bring champions to the targets of `serve`, and prove them there.

    From whatever is there: a rollback goes the same way back. Exit code 8 if one is not served.
    """
    from pawl.commands.publish import publish_tasks
    from pawl.report.publish import show_publications

    workspace = workspace_of()
    found = publish_tasks(workspace, store_of(workspace, reading=True), tasks or [])
    emit(found, show_publications, as_json=as_json)
    if not all(one.ok for one in found):
        raise typer.Exit(PublishError.exit_code)


@command(app, "serve", 'pawl predict tickets "Hello, where is my parcel AB-12345?"')
def predict(
    task: Task,
    prompt: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PROMPT", help="Prompts, or one FILE.jsonl of them; none: lines of stdin."
        ),
    ] = None,
    version: Annotated[int | None, typer.Option(help="Default: the champion.", min=1)] = None,
    out: Annotated[
        Path | None, typer.Option(help="Of a file of prompts: where the answers go.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Answer prompts, or a file of them, with the champion.

    Or with another version. A line of FILE.jsonl has `prompt` or `messages`, and may have an `id`.
    """
    from pawl.commands.predict import predict as decode
    from pawl.commands.predict_file import (
        answer_file,
        answers_text,
        is_file_of_prompts,
        write_answers,
    )

    workspace = workspace_of(task)
    if is_file_of_prompts(prompt or []):
        store = store_of(workspace, reading=True)
        answers = answer_file(workspace, store, task, Path((prompt or [""])[0]), version=version)
        if out is not None:
            write_answers(out, answers)
            say(f"{len(answers)} answers: {out}")
        elif as_json:
            print_json(answers)
        else:
            print(answers_text(answers), end="")
        return
    if out is not None:
        raise UsageError(
            "`--out` is for the answers to a file of prompts",
            rule="the answers to prompts that are typed are printed",
            remedy="name a file that ends with .jsonl, or leave `--out` away",
        )
    prompts = prompt or _lines_of_stdin()
    if not prompts:
        raise UsageError("no prompt was given", remedy="name one, or pipe lines into stdin")
    predictions = decode(
        workspace, store_of(workspace, reading=True), task, prompts, version=version
    )
    if as_json:
        print_json(predictions)
    else:
        say("\n".join(one.answer for one in predictions))


@command(app, "serve", "pawl export tickets --merged --out tickets-v3")
def export(
    task: Task,
    out: Annotated[Path, typer.Option(help="A new folder.")],
    peft: Annotated[bool, typer.Option("--peft", help="As peft and vLLM load it.")] = False,
    merged: Annotated[
        bool, typer.Option("--merged", help="Added to the base's weights: a model by itself.")
    ] = False,
    version: Annotated[int | None, typer.Option(help="Default: the champion.", min=1)] = None,
    as_json: Json = False,
) -> None:
    """Write the champion as a serving stack loads it.

    Or another version. It is loaded there, and its answers to dev rows are compared with those
    that it was judged by: a stack that holds the base otherwise answers otherwise.
    """
    from pawl.commands.export import export as written

    if peft == merged:
        raise UsageError(
            "name one of --peft and --merged",
            rule="an export is of one form",
            remedy="--peft for vLLM and others that load adapters, --merged for those that do not",
        )
    begin(f"writing a version of '{task}', and asking it dev rows", as_json=as_json)
    workspace = workspace_of(task)
    form: Literal["peft", "merged"] = "peft" if peft else "merged"
    store = store_of(workspace, reading=True)
    report = written(workspace, store, task, version=version, form=form, out=out)
    if as_json:
        print_json(report)
    else:
        say(report.says())


def _lines_of_stdin() -> list[str]:
    try:
        return [line.rstrip("\n") for line in sys.stdin if line.strip()]
    except UnicodeDecodeError as error:
        raise UsageError(
            f"stdin is not {error.encoding.upper()}: {error.reason} at byte {error.start}",
            rule="prompts are lines of text",
            remedy="convert them: `iconv -f … -t UTF-8`",
        ) from error
