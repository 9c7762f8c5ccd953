"""`pawl review` at a terminal: a key a pair; lines of stdin where that is no terminal."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from pawl.cli.app import Json, Task, app, workspace_of
from pawl.cli.commands import command
from pawl.cli.output import console, print_json, say
from pawl.errors import UsageError

if TYPE_CHECKING:
    from pawl.commands.review import Reviewing

SKIP, UNDO, STOP = "s", "u", "q"


@command(app, "judge", "pawl review voice --web")
def review(
    task: Task,
    web: Annotated[bool, typer.Option("--web", help="In the browser, on loopback.")] = False,
    port: Annotated[int, typer.Option(help="Its port; 0: any that is free.", min=0, max=65535)] = 0,
    as_json: Json = False,
) -> None:
    """Compare answers blindly: the waiting candidate's and another's.

    Keys: 1 and 2 for the better one, 0 for neither, s skip, u undo, q stop. --json says how far the
    review is and asks nothing.
    """
    from pawl.commands.review import Reviewing, review_status
    from pawl.report.review import show_review

    workspace = workspace_of(task)
    if as_json:
        print_json(review_status(workspace, task))
        return
    reviewing = Reviewing(workspace, task)
    if web:
        from pawl.commands.review_page import serve_review

        serve_review(reviewing, port=port, tell=say)
    else:
        _ask(reviewing)
    status = reviewing.status
    show_review(
        task=task,
        labelled=status.labelled,
        pairs=status.pairs,
        same=status.same,
        judge=status.judge,
        console=console(),
    )


def _ask(reviewing: Reviewing) -> None:
    from pawl.commands.review import KEYS
    from pawl.report.review import HELP, show_pair

    skipped: list[str] = []
    with _keys() as keys:
        while (pair := reviewing.next(skipped)) is not None:
            status = reviewing.status
            title = f"{reviewing.task}: pair {status.labelled + 1} of {status.pairs}"
            show_pair(pair.messages, (pair.left, pair.right), title=title, console=console())
            say(HELP)
            key = next((one for one in keys if one in {*KEYS, SKIP, UNDO, STOP}), STOP)
            if key == STOP:
                return
            if key in KEYS:
                try:
                    reviewing.say(pair.id, KEYS[key])
                except UsageError as error:
                    # Somebody else has labelled it: the next one is asked for.
                    say(error.found)
            elif key == SKIP:
                skipped = [*(one for one in skipped if one != pair.id), pair.id]
            elif reviewing.undo() is None:
                say("nothing to undo")


@contextmanager
def _keys() -> Iterator[Iterator[str]]:
    """The keys as they are pressed; of a stdin that is no terminal, the first of each line."""
    if not sys.stdin.isatty():
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(errors="replace")  # such a line is no key
        yield (line.strip()[:1] for line in sys.stdin)
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        # Ctrl-C stays Ctrl-C.
        tty.setcbreak(descriptor)
        yield iter(lambda: sys.stdin.read(1), "")
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
