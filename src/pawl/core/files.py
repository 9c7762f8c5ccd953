"""Atomic writes of files and folders, and digests of their content.

Every output of a stage goes through `write_text`, `write_json` or `whole_folder`: written to a
temporary path beside the target, fsynced, renamed. After a crash the target is old, new or missing,
never partial. The temporary path is removed by the next writer or by `pawl gc`.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

# Temporary names: `.NAME.new-…` is being written, `.NAME.old-…` is being replaced.
NEW, OLD = "new-", "old-"
# What comes last in a temporary name: Python's `tempfile` adds eight characters.
MARK = re.compile(rf"(?:{NEW}|{OLD})[a-z0-9_]{{8}}")
# Seconds after which a folder without a lock, or a file, is a killed writer's.
FOLDER_YOUNG, FILE_YOUNG = 2.0, 3600.0


def digest_text(text: str) -> str:
    """sha256 of the UTF-8 bytes, as 64 hex digits."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def digest_json(value: Any) -> str:
    """sha256 of the canonical JSON (sorted keys, no blanks), so that key order does not matter."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def canonical_json(value: Any) -> bytes:
    """The JSON that is digested and signed: sorted keys, no blanks, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def digest_file(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_md5(path: Path) -> str:
    """md5 of a file's bytes, by which DVC names them; not safe against deliberate collisions."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def digest_files(root: Path, names: Iterable[str]) -> dict[str, str]:
    """Map each name below `root` to the sha256 of its bytes, in name order."""
    return {name: digest_file(root / name) for name in sorted(names)}


def write_text(path: Path, text: str) -> None:
    """Replace `path` by `text` (UTF-8) atomically."""
    with whole_file(path) as temp:
        temp.write_text(text, encoding="utf-8", newline="")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary file that replaces `path` when the block succeeds, else is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.{NEW}")
    os.close(handle)
    temp = Path(name)
    try:
        yield temp
        # mkstemp makes it 0600; a shared workspace expects the mode that open() would give.
        temp.chmod(0o666 & ~_umask())
        _sync(temp)
        temp.replace(path)
    except BaseException:
        temp.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Replace `path` by indented JSON with sorted keys; NaN and infinity are refused."""
    write_text(path, json_text(value))


def write_lines(path: Path, values: Iterable[Any]) -> None:
    """Replace `path` by JSON lines, one value a line."""
    write_text(path, lines_text(values))


def json_text(value: Any) -> str:
    """The text that `write_json` writes."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return text + "\n"


def lines_text(values: Iterable[Any]) -> str:
    """The text that `write_lines` writes."""
    lines = (json.dumps(v, ensure_ascii=False, allow_nan=False, sort_keys=True) for v in values)
    return "".join(f"{line}\n" for line in lines)


def read_lines(path: Path) -> Iterator[Any]:
    """Yield the values of a JSON lines file that a stage of this project wrote."""
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            yield json.loads(line)


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder that replaces `target` when the block succeeds, else is removed.

    Those of killed writers of `target` are removed first.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for path in leftovers(target.parent, name=target.name):
        remove(path)
    temp = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.{NEW}"))
    try:
        with _locked(temp):
            yield temp
            for path in temp.rglob("*"):
                if path.is_dir() or path.is_file():
                    _sync(path)
            temp.chmod(0o777 & ~_umask())
            _sync(temp)
            _take_place(temp, target)
    except BaseException:
        shutil.rmtree(temp, ignore_errors=True)
        raise


def leftovers(folder: Path, *, name: str | None = None) -> list[Path]:
    """Temporary files and folders of killed writers in `folder`; with `name` only those of it.

    Those of running writers are not included: a writer of a folder holds a lock on it, which the
    kernel frees when the writer dies, however it dies. A file has no lock: it counts after an hour.
    """
    if not folder.is_dir():
        return []
    named = ((path, *path.name.rpartition(".")) for path in folder.iterdir())
    temporary = [
        path
        for path, stem, _, mark in named
        if stem.startswith(".") and MARK.fullmatch(mark) and name in (None, stem[1:])
    ]
    return sorted(path for path in temporary if _abandoned(path))


def remove(path: Path) -> None:
    """Remove a file or a folder with its content, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def discard(path: Path) -> None:
    """Remove a folder atomically: renamed first, so that a crash leaves no part at its place."""
    old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.{OLD}"))
    path.replace(old)
    _sync(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def _take_place(temp: Path, target: Path) -> None:
    """Replace `target` by `temp`: two renames; the old folder is removed last.

    After a crash between the two there is no folder, which readers take for "not made yet".
    """
    replaced = []
    while True:
        old = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.{OLD}"))
        replaced.append(old)
        with suppress(FileNotFoundError):
            target.replace(old)  # rename(2) replaces an empty folder
        try:
            temp.replace(target)
            break
        except OSError as error:
            # Another writer replaced the same target in between; the last one wins.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
    _sync(target.parent)
    for old in replaced:
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _abandoned(path: Path) -> bool:
    try:
        age = time.time() - path.stat().st_mtime
        if not path.is_dir():
            return age > FILE_YOUNG
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        # Its writer has just finished.
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    # Between making a folder and locking it a running writer looks killed: spare the young.
    return age > FOLDER_YOUNG


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync(path: Path) -> None:
    # A rename survives a power cut only after the folder's own fsync.
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
