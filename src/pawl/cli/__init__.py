"""The command line: thin doors over the rooms. Imports nothing heavy until a command needs it.

Exit codes: 0 promoted or nothing to do, 1 error, 2 usage, 3 rejected, 4 inconclusive, 5 data or
evidence invalid, 6 the tracking store did not take what was made: it waits on disk, `pawl resume`.
"""

from __future__ import annotations

import gc
import sys
import warnings

from pawl.cli import checks, cycles, data, machine, releases  # importing them adds their commands
from pawl.cli.app import app
from pawl.errors import PawlError, full_disk

__all__ = ["checks", "cycles", "data", "machine", "main", "releases"]


def main() -> None:
    """Run the command line; expected errors print without a traceback."""
    if not sys.warnoptions:
        # The libraries warn each other of what they will change; no user can act on it.
        warnings.simplefilter("ignore", FutureWarning)
    try:
        app()
    except PawlError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        said = full_disk(error)
        if said is None:
            raise
        print(f"error: {said}", file=sys.stderr)
        sys.exit(said.exit_code)
    finally:
        # What is loaded need not be searched for garbage before the process ends: a second.
        gc.freeze()
