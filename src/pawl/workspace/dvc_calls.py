"""Calls of DVC, as a program or in this process, its state in a folder that only the owner enters.

DVC keeps pickles between calls, by itself below /var/tmp/dvc, which everybody may write to: who
puts one there has his code run by whoever calls DVC next. So they lie below `.pawl/`, mode 0700.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pawl.core.processes import DVC, run
from pawl.errors import PawlError
from pawl.workspace.dvc_lock_file import mend_lock_file
from pawl.workspace.dvc_locks import free_dead_locks
from pawl.workspace.environment import SITE_CACHE, quiet_environment
from pawl.workspace.paths import Workspace

OTHERS, OTHERS_WRITE = 0o077, 0o022


def dvc_environment(workspace: Workspace) -> dict[str, str]:
    """The environment of a DVC process; makes the folder of DVC's state, closed to others.

    A `DVC_SITE_CACHE_DIR` that the user has set stays.
    """
    environment = {**os.environ, **quiet_environment(workspace)}
    _make_private(workspace, Path(environment[SITE_CACHE]))
    return environment


def recover(workspace: Workspace) -> None:
    """Undo what a killed DVC left, by which every later call would fail; call before DVC.

    Raises:
        DataError: `dvc.lock` holds a merge conflict of git.
    """
    free_dead_locks(workspace)
    mend_lock_file(workspace)


def run_dvc(workspace: Workspace, *words: str, rule: str, remedy: str) -> None:
    """Run DVC in the workspace; raises `UsageError` with its output if it fails."""
    recover(workspace)
    environment = dvc_environment(workspace)
    run(workspace.root, *DVC, *words, rule=rule, remedy=remedy, environment=environment)


def keep_state_private(workspace: Workspace, *, rule: str, remedy: str) -> None:
    """Have the user's own calls of DVC use that folder too: `.dvc/config.local`.

    DVC takes a relative path from the folder that it is called in, hence an absolute one. It can
    write no configuration with other than ASCII in it: then only `pawl doctor` tells of it.
    """
    folder = str(workspace.dvc_state)
    if not folder.isascii():
        return
    command = ("config", "--local", "core.site_cache_dir", folder)
    run_dvc(workspace, *command, rule=rule, remedy=remedy)


@contextmanager
def open_dvc(workspace: Workspace) -> Iterator[Any]:
    """Open the workspace's DVC repository; its errors become `PawlError`s with DVC's message."""
    # DVC ships no types.
    from dvc.exceptions import DvcException  # type: ignore[import-untyped]
    from dvc.repo import Repo  # type: ignore[import-untyped]

    log = logging.getLogger("dvc")
    level = log.level
    state = dvc_environment(workspace)[SITE_CACHE]
    recover(workspace)
    try:
        with Repo(str(workspace.root), config={"core": {"site_cache_dir": state}}) as repo:
            # Its hints and progress bars would mix with ours, and with the JSON of `--json`.
            log.setLevel(logging.ERROR)
            yield repo
    except DvcException as error:
        raise PawlError(
            f"DVC failed: {error}",
            rule="a task's data file is tracked by DVC",
            remedy="follow its message, then try again; `dvc doctor` shows its setup",
        ) from error
    finally:
        log.setLevel(level)


def cache_folder(workspace: Workspace) -> Path:
    """The folder of DVC's cache: anywhere, and shared with other workspaces, by `cache.dir`."""
    with open_dvc(workspace) as repo:
        return Path(repo.cache.local_cache_dir)


def cache_path(workspace: Workspace, md5: str, *, fetch: bool = False) -> Path:
    """The path of these bytes in DVC's cache, there or not; with `fetch`, pull missing ones."""
    from dvc.config import NoRemoteError  # type: ignore[import-untyped]
    from dvc_data.hashfile.hash_info import HashInfo

    with open_dvc(workspace) as repo:
        path = Path(repo.cache.local.oid_to_path(md5))
        if fetch and not path.is_file():
            try:
                repo.cloud.pull([HashInfo("md5", md5)])
            except NoRemoteError:
                return path
    return path


def _make_private(workspace: Workspace, folder: Path) -> None:
    ours = folder == workspace.dvc_state
    if ours and folder.is_dir() and folder.stat().st_mode & OTHERS:
        # DVC itself makes it open to all where it is missing: others may have been there.
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if ours and (mode := workspace.home.stat().st_mode) & OTHERS_WRITE:
        workspace.home.chmod(mode & 0o7777 & ~OTHERS_WRITE)
