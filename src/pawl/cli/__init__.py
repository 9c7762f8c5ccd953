"""The command line: thin doors over the commands; loads nothing heavy before one needs it.

Exit codes: 0 promoted or nothing to do, 1 error, 2 usage, 3 rejected, 4 inconclusive, 5 data or
evidence invalid, 6 the tracking store did not take what was made: it waits on disk, `pawl resume`;
7 people are to compare answers first, `pawl review`; 8 what is served is not the champion, `pawl
publish`; 130 Ctrl-C, 143 SIGTERM.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings
from typing import Any

import typer

# Importing them adds their commands.
from pawl.cli import checks, cycles, data, judged, machine, releases, reviewing, serving
from pawl.cli.app import app
from pawl.cli.output import print_error
from pawl.core.processes import leave_git_hook, leave_socks_proxies
from pawl.core.visible import guard_output, is_text
from pawl.errors import (
    InterruptedRunError,
    PawlError,
    UsageError,
    file_error,
    missing_package_error,
)

__all__ = [
    "checks",
    "cycles",
    "data",
    "judged",
    "machine",
    "main",
    "releases",
    "reviewing",
    "serving",
]

# Click's base of all errors of usage: typer may have a click of its own.
CLICK_ERROR: Any = typer.BadParameter.__mro__[2]


def main() -> None:
    """Run the command line; expected errors print without a traceback."""
    guard_output()
    if not sys.warnoptions:
        # The libraries warn each other of what they will change; no user can act on it.
        warnings.simplefilter("ignore", FutureWarning)
    leave_git_hook()
    leave_socks_proxies()
    if os.environ.get(machine.COMPLETE):
        from typer.completion import completion_init  # type: ignore[attr-defined]

        completion_init()
    try:
        code = app(prog_name="pawl", standalone_mode=False)
        if code == InterruptedRunError.exit_code:  # how typer passes Ctrl-C on
            raise InterruptedRunError("interrupted; the same command begins again")
        sys.exit(code)
    except InterruptedRunError as stop:
        # A bar of progress that was ended has left its line open.
        print_error(stop, sys.argv[1:], text=f"\n{stop.found}")
        sys.exit(stop.exit_code)
    except Exception as error:
        if (told := expected(error)) is None:
            raise
        print_error(told, sys.argv[1:])
        sys.exit(told.exit_code)
    finally:
        # What is loaded need not be searched for garbage before the process ends: a second.
        gc.freeze()


def expected(error: Exception) -> PawlError | None:
    """The error to show where a user can do something about it; None: a fault of the program."""
    if isinstance(error, PawlError):
        return error
    if isinstance(error, CLICK_ERROR):
        context: Any = getattr(error, "ctx", None)
        help_of = context.command_path if context else "pawl"
        found = error.format_message().rstrip(".")
        return UsageError(found[:1].lower() + found[1:], remedy=f"`{help_of} --help` shows how")
    if isinstance(error, ModuleNotFoundError):
        return missing_package_error(error)
    if isinstance(error, ValueError) and (odd := [w for w in sys.argv[1:] if not is_text(w)]):
        return UsageError(
            f"the argument {odd[0][:80]!a} is no UTF-8",
            rule="what is stored of a command line is text",
            remedy="type it again in a terminal of UTF-8, or rename the file",
        )
    return file_error(error) if isinstance(error, OSError) else None
