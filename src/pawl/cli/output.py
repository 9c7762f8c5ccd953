"""How results and errors leave the command line: for people, for machines, or not at all."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from pawl.errors import PawlError
    from pawl.report.console import Terminal

# Whether the record that the running command shows is in doubt, whether results are not printed,
# and whether a JSON value was. Not in click's context: typer has a click of its own, whose context
# another one does not see.
DOUBTED: ContextVar[bool] = ContextVar("pawl.doubted", default=False)
QUIET: ContextVar[bool] = ContextVar("pawl.quiet", default=False)
PRINTED: ContextVar[bool] = ContextVar("pawl.printed", default=False)


def console() -> Terminal:
    """The terminal, for tables; it prints nothing where the user wants quiet."""
    from pawl.report.console import Terminal

    return Terminal(quiet=QUIET.get())


def say(text: str) -> None:
    """Print a sentence for people, unless they want quiet."""
    if not QUIET.get():
        print(text)


def begin(doing: str, *, as_json: bool) -> None:
    """Say at once, on stderr, what a command does that may take more than a second."""
    if not as_json and not QUIET.get():
        print(f"{doing} …", file=sys.stderr, flush=True)


def show_page(path: Path, *, name: str, opened: bool) -> None:
    """Say where a page is, and open it in a browser where there is a display."""
    import webbrowser

    if not path.is_file():
        return
    say(f"{name}: {os.path.relpath(path)}")
    shown = sys.platform in ("darwin", "win32") or {"DISPLAY", "WAYLAND_DISPLAY"} & {*os.environ}
    if opened and shown:
        webbrowser.open(path.resolve().as_uri())


def print_json(value: Any) -> None:
    """Print one JSON value; records in it, or the value itself, become their JSON."""
    from pawl.core.records import to_json
    from pawl.core.visible import visible_json

    text = json.dumps(
        value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False, default=to_json
    )
    print(visible_json(text))
    PRINTED.set(True)


def emit(value: Any, show: Callable[..., None], *, as_json: bool, **options: Any) -> None:
    """Print a result as JSON, or on the terminal with `show(value, console=…, **options)`."""
    if as_json:
        print_json(value)
    else:
        show(value, console=console(), **options)
    if DOUBTED.get():
        raise typer.Exit(1)


def print_error(error: PawlError, words: Sequence[str], *, text: str = "") -> None:
    """Print an error on stderr; as JSON too where `words` ask for it and none was printed yet."""
    before = words[: words.index("--")] if "--" in words else words
    print(text or f"error: {error}", file=sys.stderr)
    if "--json" in before and not PRINTED.get():
        told = {"found": error.found, "rule": error.rule, "remedy": error.remedy}
        # Where stdout takes nothing, that is the error, and it has been told.
        with suppress(OSError):
            print_json({"error": type(error).__name__, **told})
