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
from pawl.core.visible import guard_output
from pawl.errors import InterruptedRunError, PawlError, file_error, missing_package_error

__all__ = ["checks", "cycles", "data", "machine", "main", "releases"]


def main() -> None:
    """Run the command line; expected errors print without a traceback."""
    guard_output()
    if not sys.warnoptions:
        # The libraries warn each other of what they will change; no user can act on it.
        warnings.simplefilter("ignore", FutureWarning)
    leave_git_hook()
    leave_socks_proxies()
    try:
        app()
    except InterruptedRunError as stop:
        # A bar of progress that was ended has left its line open.
        print(f"\n{stop.found}", file=sys.stderr)
        sys.exit(stop.exit_code)
    except PawlError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        missing = missing_package_error(error)
        if missing is None:
            raise
        print(f"error: {missing}", file=sys.stderr)
        sys.exit(missing.exit_code)
    except OSError as error:
        full = file_error(error)
        if full is None:
            raise
        print(f"error: {full}", file=sys.stderr)
        sys.exit(full.exit_code)
    finally:
        # What is loaded need not be searched for garbage before the process ends: a second.
        gc.freeze()
