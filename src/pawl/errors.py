"""Errors that teach: what was found, which rule it breaks, what to do.

Every error that a user can cause derives from `PawlError`; the command line prints it without a
traceback and exits with the class's `exit_code`.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable


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

    def __str__(self) -> str:
        lines = [self.found]
        if self.rule:
            lines.append(f"  rule:   {self.rule}")
        if self.remedy:
            lines.append(f"  remedy: {self.remedy}")
        return "\n".join(lines)


class UsageError(PawlError):
    """The command's words are off: a task, version or option that does not exist."""

    exit_code = 2


class ParamsError(PawlError):
    """`params.yaml` is not what the typed parameters allow."""

    exit_code = 2


class DataError(PawlError):
    """The data, or evidence made from it, is not fit to train or judge on."""

    exit_code = 5


class BaseError(PawlError):
    """The base model is absent, incomplete or not the one that was expected."""


class AdapterError(PawlError):
    """An adapter's bytes are not what its manifest says, or it cannot sit on this base."""


class TrainError(PawlError):
    """Training ran into something that no later step could repair (NaN, nothing to learn)."""


class RegistryError(PawlError):
    """The tracking store or ledger cannot be reached, or contradicts itself."""


class WaitingError(RegistryError):
    """The store did not take what a cycle made; it waits on disk and is registered later."""

    exit_code = 6


def full_disk(error: OSError) -> PawlError | None:
    """What to tell where the disk is full, or a quota or size limit reached; None if it is not."""
    # Where a folder was copied, the numbers stand in the words alone, a few for each file.
    said = str(error)
    if not any(f"[Errno {number}]" in said for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)):
        return None
    return PawlError(
        f"the disk took no more: {said[:300]}",
        rule="files are written whole or not at all: nothing was left half",
        remedy="free some space (`pawl gc` shows what is needed no more), then run the command "
        "again: it goes on from what is there",
    )


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ' Did you mean …?' for the closest of `known`, or the list of known names."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    return "known: " + (", ".join(names) or "none")
