"""Expected errors: the value found, the rule that it breaks, and the remedy.

Every error that a user can cause derives from `PawlError`; the command line prints it without a
traceback and exits with the class's `exit_code`.
"""

from __future__ import annotations

import difflib
import errno
import re
import sys
from collections.abc import Iterable
from functools import partial
from typing import Any

# Remedies for a record that was damaged; docs/backup.md says what a backup holds.
RESTORE = "bring it back from a backup: `pawl restore FILE` (a server's: as its keeper does)"
RESTORE_FILES = "bring its files back from a backup: `pawl restore FILE --missing`"

# `scheme://name:password@host` and `scheme://token@host`; options that hold a secret.
IN_ADDRESS = re.compile(r"(?<=://)([^\s/@:'\"]*)(:)?[^\s/'\"]*@")
IN_OPTIONS = re.compile(
    r"(?i)([?&;](?:[\w-]*(?:password|passwd|pwd|token|secret|signature|key)|sig)=)[^&;\s'\"]+"
)


class PawlError(Exception):
    """Base of all expected errors.

    Args:
        found: the value found, with its place (file and line where there is one).
        rule: the rule that it breaks.
        remedy: what to do about it.
    """

    exit_code = 1

    def __init__(self, found: str, *, rule: str = "", remedy: str = "") -> None:
        # Errors go to terminals, logs, MLflow and files, and quote what others said.
        self.found, self.rule, self.remedy = map(without_passwords, (found, rule, remedy))
        super().__init__(self.found, self.rule, self.remedy)

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


class EndpointError(PawlError):
    """A server that a verdict needs, such as a judge's, does not answer."""


class PublishError(PawlError):
    """What callers are served is not the champion, or nothing has proved that it is."""

    exit_code = 8


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


# What a path can have against it that is no fault of the program.
UNUSABLE = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST,
    errno.ENOTEMPTY, errno.ENAMETOOLONG, errno.ELOOP, errno.EBUSY, errno.EXDEV,
)  # fmt: skip


def file_error(error: OSError) -> PawlError | None:
    """The error to show for a full disk or a path that cannot be used; None for any other."""
    if (full := disk_full_error(error)) is not None:
        return full
    # shutil.copytree joins its errors into one text, so the numbers are only in there.
    joined = any(f"[Errno {number}]" in str(error) for number in UNUSABLE)
    if error.errno not in UNUSABLE and not joined:
        return None
    found = f"{error.filename}: {error.strerror}" if error.filename else str(error)[:300]
    return PawlError(
        f"a file or folder cannot be used: {found}",
        rule="files are read and written as the user who runs the command, and nothing of another "
        "kind is replaced",
        remedy="give that user the right to it, or move away what is in its place, and run the "
        "command again",
    )


def missing_package_error(error: ModuleNotFoundError) -> PawlError | None:
    """The error to show for a package of an extra that is not installed; None for other modules."""
    name = (error.name or "pawl").partition(".")[0]
    if name == "pawl" or name in sys.stdlib_module_names:
        return None
    return PawlError(
        f"the package `{name}` is not installed",
        rule="training and judging need the extra `train`, all else the extra `pipeline`",
        remedy="`pip install 'pawl[train,pipeline]'`",
    )


def without_passwords(text: str) -> str:
    """The text with `***` in place of passwords and tokens in the addresses that it quotes."""
    text = IN_ADDRESS.sub(lambda found: f"{found[1]}:***@" if found[2] else "***@", text)
    return IN_OPTIONS.sub(r"\1***", text)


def nearest(word: str, names: Iterable[str]) -> str:
    """Return "did you mean …?" with the closest of the valid names, or the list of all."""
    valid = sorted(names)
    close = difflib.get_close_matches(word, valid, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    return "known: " + (", ".join(valid) or "none")
