"""`dvc.lock`, which DVC does not write atomically.

Killed at that moment, DVC leaves it cut off or empty, and fails by it ever after. The last whole
one is kept beside the record and put back.
"""

from __future__ import annotations

import sys

import yaml

from pawl.core.files import write_text
from pawl.errors import DataError
from pawl.workspace.dvc_locks import live_holders
from pawl.workspace.paths import Workspace

NAME = "dvc.lock"
# What git leaves where two branches changed a line.
CONFLICT = "<<<<<<< "


def mend_lock_file(workspace: Workspace) -> None:
    """Keep a copy of a whole `dvc.lock`; put the last whole one back over one that was cut off.

    Call before DVC is called. What was not recorded is derived again: the stage that DVC was
    writing down runs once more. Without a copy the file is set aside, and all stages run.

    Raises:
        DataError: the file holds a merge conflict of git.
    """
    path, kept = workspace.root / NAME, workspace.home / NAME
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    if kept.is_file() and text == kept.read_text(encoding="utf-8"):
        return
    if _is_whole(text):
        write_text(kept, text)
        return
    if CONFLICT in text:
        raise DataError(
            f"{NAME} holds a merge conflict",
            rule="DVC reads in it which stages ran, on what",
            remedy=f"`git checkout --ours {NAME}`, or delete it: the stages then run again",
        )
    if live_holders(workspace):
        # Somebody else's DVC may be writing it.
        return
    aside = kept.with_name(f"{NAME}.cut-off")
    path.replace(aside)
    back = ""
    if kept.is_file():
        write_text(path, kept.read_text(encoding="utf-8"))
        back = "; the last whole one is back"
    sys.stderr.write(f"{NAME} was cut off when DVC was killed, and is now {aside}{back}\n")


def _is_whole(text: str) -> bool:
    """Whether DVC takes the text for a lock file."""
    # DVC ships no types.
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA  # type: ignore[import-untyped]
    from voluptuous import Invalid

    try:
        COMPILED_LOCKFILE_SCHEMA(yaml.safe_load(text))
    except (yaml.YAMLError, Invalid):
        return False
    return True
