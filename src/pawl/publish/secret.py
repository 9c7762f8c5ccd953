"""Secrets of targets: from a variable, or from a file that only its owner may read."""

from __future__ import annotations

import os
import re
import stat

from pawl.core.processes import git
from pawl.errors import UsageError
from pawl.workspace.paths import Workspace

# What a header takes (RFC 6750): http.client would show one that it cannot send.
SECRET = re.compile(r"[!-~]+")


def from_variable(name: str) -> str:
    """The secret in an environment variable; raises `UsageError` where there is none."""
    return _checked(os.environ.get(name, ""), f"the environment variable {name}")


def from_file(workspace: Workspace, name: str) -> str:
    """The secret in a file, relative to the workspace.

    Raises:
        UsageError: it cannot be read, holds no secret, others may read it, or git takes it.
    """
    path = workspace.root / name
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the secret file {name} cannot be read: {type(error).__name__}",
            rule="it is a text file with the secret alone",
            remedy=f"`(umask 077 && openssl rand -hex 32 > {name})` makes one",
        ) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(
            f"the secret file {name} may be used by others (mode {stat.S_IMODE(mode):04o})",
            rule="a secret is its owner's alone",
            remedy=f"`chmod 600 {name}`",
        )
    seen = ("ls-files", "--cached", "--others", "--exclude-standard", "--", name)
    if git(workspace.root, *seen):
        raise UsageError(
            f"the secret file {name} lies where git takes it",
            rule="a secret is in no repository",
            remedy="move it below .pawl/keys/, which git does not see; make a new one if it was "
            "committed",
        )
    return _checked(text, f"the secret file {name}")


def _checked(text: str, source: str) -> str:
    found = text.strip()
    if not SECRET.fullmatch(found):
        raise UsageError(
            f"{source} holds {'characters that no secret has' if found else 'no secret'}",
            rule="a secret is letters, digits and signs of ASCII, without a blank",
            remedy="set it, or leave it out of params.yaml where the server asks for none",
        )
    return found
