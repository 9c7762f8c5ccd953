"""Expected errors: the value found, the rule that it breaks, and the remedy.

Every error that a user can cause derives from `PawlError`; the command line prints it without a
traceback and exits with the class's `exit_code`.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable
from functools import partial
from typing import Any


class PawlError(Exception):
    """Base of all expected errors.

    Args:
        found: the value found, with its place (file and line where there is one).
        rule: the rule that it breaks.
        remedy: what to do about it.
    """

    exit_code = 1

    def __init__(self, found: str, *, rule: str = "", remedy: str = "") -> None:
        self.found, self.rule, self.remedy = found, rule, remedy
        super().__init__(found, rule, remedy)

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is made again from its positional arguments alone, which are not these.
        made = partial(type(self), self.found, rule=self.rule, remedy=self.remedy)
        return made, (), self.__dict__

    def __str__(self) -> str:
        lines = [self.found]
        if self.rule:
            lines.append(f"  rule:   {self.rule}")
        if self.remedy:
            lines.append(f"  remedy: {self.remedy}")
        return "\n".join(lines)


class UsageError(PawlError):
    """The command names a task, version, file or option that does not exist or cannot be used."""

    exit_code = 2


class ParamsError(PawlError):
    """`params.yaml` breaks its schema or a rule between its keys."""

    exit_code = 2


class DataError(PawlError):
    """The data, or evidence made from it, cannot be used to train or to judge."""

    exit_code = 5


class BaseError(PawlError):
    """The base model is missing, incomplete or not the expected one."""


class AdapterError(PawlError):
    """An adapter does not match its manifest, or does not fit this base."""


class TrainError(PawlError):
    """Training cannot go on (NaN loss, nothing to learn)."""


class StoppedError(TrainError):
    """Training was asked to end, and has saved what a next one resumes from."""


class RegistryError(PawlError):
    """The tracking store or the ledger is unreachable or inconsistent."""


class WaitingError(RegistryError):
    """The store was unreachable: the cycle's result waits in the outbox and is registered later."""

    exit_code = 6


class InterruptedRunError(PawlError):
    """The user, or the machine, asked the command to end; it says what is left and how to go on."""

    exit_code = 130  # as shells have it: 128 + SIGINT


class TerminatedRunError(InterruptedRunError):
    """The command got SIGTERM."""

    exit_code = 143


def disk_full_error(error: OSError) -> PawlError | None:
    """The error to show for a full disk, quota or file size limit; None for any other `OSError`."""
    # shutil.copytree joins its errors into one text, so the numbers are only in there.
    text = str(error)
    if not any(f"[Errno {number}]" in text for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)):
        return None
    return PawlError(
        f"the disk is full: {text[:300]}",
        rule="files are written whole or not at all: nothing was left half",
        remedy="free some space (`pawl gc` lists what can be deleted), then run the command again: "
        "it continues from what is there",
    )


def nearest(word: str, names: Iterable[str]) -> str:
    """Return "did you mean …?" with the closest of the valid names, or the list of all."""
    valid = sorted(names)
    close = difflib.get_close_matches(word, valid, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    return "known: " + (", ".join(valid) or "none")
