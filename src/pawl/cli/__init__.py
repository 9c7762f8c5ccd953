"""The command line: thin doors over the commands; loads nothing heavy before one needs it.

Exit codes: 0 promoted or nothing to do, 1 error, 2 usage, 3 rejected, 4 inconclusive, 5 data or
evidence invalid, 6 the tracking store did not take what was made: it waits on disk, `pawl resume`;
130 Ctrl-C, 143 SIGTERM.
"""

from __future__ import annotations

import gc
import sys
import warnings

from pawl.cli import checks, cycles, data, machine, releases  # importing them adds their commands
from pawl.cli.app import app
from pawl.core.processes import leave_git_hook, leave_socks_proxies
from pawl.errors import InterruptedRunError, PawlError, disk_full_error

__all__ = ["checks", "cycles", "data", "machine", "main", "releases"]


def main() -> None:
    """Run the command line; expected errors print without a traceback."""
    if not sys.warnoptions:
        # The libraries warn each other of what they will change; no user can act on it.
        warnings.simplefilter("ignore", FutureWarning)
    leave_git_hook()
    leave_socks_proxies()
    try:
        app()
    except InterruptedRunError as stop:
        print(stop.found, file=sys.stderr)
        sys.exit(stop.exit_code)
    except PawlError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        full = disk_full_error(error)
        if full is None:
            raise
        print(f"error: {full}", file=sys.stderr)
        sys.exit(full.exit_code)
    finally:
        # What is loaded need not be searched for garbage before the process ends: a second.
        gc.freeze()
