"""What no key of `params.yaml` may lead to: keys, passwords, the state of Pawl, git and DVC.

The files that a section names are copied into `build/`, tracked, and sent to endpoints.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from pawl.core.sealing import key_file

STATE = (".dvc", ".git", ".pawl")
# RFC 7468 and its relatives; PuTTY's and age's own forms.
PRIVATE_KEY = re.compile(
    rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY|PuTTY-User-Key-File|AGE-SECRET-KEY-1"
)


def private_place(path: Path, root: Path) -> str:
    """Return what private thing of the workspace `root` a path leads to, or an empty string.

    Links are followed; a hard link to a key is that key.
    """
    place, home = path.resolve(), root.resolve()
    if place.is_relative_to(home):
        for part in place.relative_to(home).parts:
            # Some file systems take .GIT for .git.
            if part.casefold() in STATE:
                return f"{part}/"
    try:
        found = place.stat()
        is_key = any(os.path.samestat(found, key.stat()) for key in _keys(home) if key.is_file())
    except OSError:
        return ""  # what is not there, or cannot be read, leads nowhere
    return "a private key" if is_key else ""


def holds_private_key(data: bytes) -> bool:
    """Whether the content of a file has a private key in it."""
    return PRIVATE_KEY.search(data) is not None


def _keys(root: Path) -> Iterator[Path]:
    """Files with keys: where Pawl puts them, and those that its variables `PAWL_…_KEY` name."""
    yield key_file()
    yield from (root / ".pawl" / "keys").glob("*")
    for name, value in os.environ.items():
        if name.startswith("PAWL_") and name.endswith("_KEY") and value:
            yield Path(value)
