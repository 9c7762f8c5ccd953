"""DVC's own locks: freed where their holder is dead, named where it lives.

DVC writes into `.dvc/tmp/rwlock` who reads and writes which file, and not atomically: kill -9
leaves it torn, or with a process whose number another gets later, and every later call fails.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from pawl.core.files import write_text
from pawl.workspace.paths import Workspace

# Seconds that somebody may need to edit the file.
EDIT = 3.0
PROGRAMS = ("dvc", "pawl")


def free_dead_locks(workspace: Workspace) -> None:
    """Remove from DVC's rwlock whoever is dead, or all of it where it cannot be read."""
    path = _folder(workspace) / "rwlock"
    if not path.is_file():
        return
    with _edited(path) as edited:
        if not edited or not path.is_file():
            return
        entries = _read(path)
        if entries is None:
            path.unlink()
            return
        before = path.stat().st_mtime
        alive = {
            "write": {
                name: info
                for name, info in entries["write"].items()
                if _lives(info, workspace, before=before)
            },
            "read": {
                name: left
                for name, infos in entries["read"].items()
                if (left := [info for info in infos if _lives(info, workspace, before=before)])
            },
        }
        if alive != entries:
            write_text(path, json.dumps(alive))


def live_holders(workspace: Workspace) -> list[str]:
    """Who makes DVC wait in this workspace, in words."""
    found = []
    lock = _folder(workspace) / "lock"
    if lock.is_file():
        with lock.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                found.append(f"process {file.read(40).decode(errors='replace').strip()}")
            else:
                if file.read(1) == b"/":
                    # DVC's `hardlink_lock`, for shared folders, tells neither process nor machine.
                    found.append(f"somebody by {lock}")
    entries = _read(_folder(workspace) / "rwlock") or {"write": {}, "read": {}}
    infos = [*entries["write"].values(), *chain.from_iterable(entries["read"].values())]
    return [*found, *sorted({f"`dvc {info['cmd']}` (process {info['pid']})" for info in infos})]


@contextmanager
def _edited(path: Path) -> Iterator[bool]:
    """The lock under which DVC edits the file; False where it is not to be had."""
    deadline = time.monotonic() + EDIT
    with path.with_name("rwlock.lock").open("a") as guard:
        while True:
            try:
                fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(0.05)
                    continue
                yield False
            else:
                yield True
            return


def _read(path: Path) -> dict[str, Any] | None:
    """The entries by kind and file; None where the file is torn."""
    try:
        value = json.loads(path.read_bytes())
        write, read = value.get("write", {}), value.get("read", {})
        for info in [*write.values(), *chain.from_iterable(read.values())]:
            if not isinstance(info["pid"], int) or not isinstance(info["cmd"], str):
                return None
    except FileNotFoundError:
        return {"write": {}, "read": {}}
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return {"write": write, "read": read}


def _lives(info: dict[str, Any], workspace: Workspace, *, before: float) -> bool:
    """Whether the process that wrote the entry, the last one at the time `before`, still runs."""
    import psutil

    try:
        process = psutil.Process(int(info["pid"]))
        if process.status() == psutil.STATUS_ZOMBIE or process.create_time() > before + 1:
            return False
        words = process.cmdline()
        if any(Path(word).name.partition(".")[0] in PROGRAMS for word in words):
            return True
        # A notebook, say, that calls DVC.
        return "python" in words[0] and Path(process.cwd()).is_relative_to(workspace.root.resolve())
    except psutil.AccessDenied:
        return True
    except (psutil.Error, IndexError, ValueError):
        return False


def _folder(workspace: Workspace) -> Path:
    return workspace.root / ".dvc" / "tmp"
