"""`pawl backup`: the record of a workspace as one file, also while cycles run.

The file is a gzipped tar: what lies below `.pawl/`, but for what can be made anew (`ANEW`), and
last of all `backup.json` with the sha256 of each file, so that a file cut short is none. The
database is a snapshot by SQLite's own backup. It is taken after the outbox and before the
artifacts: what is delivered meanwhile is in one of them, and what the database names is there.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pawl import __version__
from pawl.core.files import digest_file, leftovers, remove, write_json
from pawl.core.records import to_json
from pawl.core.records.commands import BackupReport
from pawl.errors import PawlError, UsageError
from pawl.store.addresses import displayed, sqlite_file
from pawl.workspace.dvc_calls import open_dvc
from pawl.workspace.paths import Workspace

CONTENTS, HOME, CACHE, DATABASE = "backup.json", "home", "dvc-cache", "home/mlflow.db"
FORMAT = 1
# Below `.pawl/`: made anew by whoever needs them, or of this machine alone; and keys, on request.
ANEW = ("cache", "checkpoints", "copies", "cycle.lock", "dvc", "logs", "prefect", "served")
KEYS = "keys"
# A file that is written while it is read is read again, so many times.
ATTEMPTS = 5


@dataclass(frozen=True)
class Contents:
    """What a backup holds: the sha256 of each file by its name in there, and when it was made."""

    format: int
    pawl: str
    made: str
    store: str | None
    keys: bool
    data: str
    files: dict[str, str]


def backup(workspace: Workspace, target: Path, *, keys: bool, data: bool) -> BackupReport:
    """Write a backup to `target`, whole or not at all; a folder gets a file named by the time.

    With `keys` the private keys are in it, with `data` DVC's cache.

    Raises:
        UsageError: the target exists, or lies below `.pawl/`.
        PawlError: the database is damaged, or a file never stays the same while it is read.
    """
    now = datetime.now(UTC)
    if target.is_dir():
        target = target / f"{workspace.root.name}-{now:%Y-%m-%dT%H%M%SZ}.pawl"
    _refuse_target(workspace, target)
    made, (cache, where) = now.isoformat(timespec="seconds"), find_rows(workspace)
    if data and cache:
        where = f"in the file, from {cache}"
    here = sqlite_file(workspace.tracking_uri) == workspace.database
    store = None if here else displayed(workspace.tracking_uri)
    size, digests = 0, dict[str, str]()
    with (
        _whole(target) as file,
        tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.new-") as own,
        tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as tar,
    ):
        for name, path in _sources(workspace, cache if data else None, Path(own), keys=keys):
            with suppress(FileNotFoundError):  # delivered, or freed by `pawl gc`
                digests[name], length = _add(tar, path, name, Path(own) / "file")
                size += length
        contents = Contents(FORMAT, __version__, made, store, keys, where, digests)
        write_json(Path(own) / CONTENTS, to_json(contents))
        tar.add(Path(own) / CONTENTS, CONTENTS)
    return BackupReport(str(target), made, len(digests), size, store, keys, where)


def _sources(
    workspace: Workspace, cache: Path | None, own: Path, *, keys: bool
) -> Iterator[tuple[str, Path]]:
    """The files by their names in the backup, in the order in which they must be read."""
    home, late = workspace.home, ("artifacts", *(() if keys else (KEYS,)))
    database = workspace.database.name
    names = sorted(path.name for path in home.iterdir()) if home.is_dir() else []
    for name in names:
        if name not in (*ANEW, *late) and not name.startswith((".", database)):
            yield from _files(home / name, f"{HOME}/{name}")
    if workspace.database.exists():
        _snapshot(workspace.database, own / database)
        yield DATABASE, own / database
    yield from _files(home / "artifacts", f"{HOME}/artifacts")
    if cache is not None:
        yield from _files(cache, CACHE)


def _files(path: Path, name: str) -> Iterator[tuple[str, Path]]:
    """The files below a path; links are followed, and what is being written has a dot."""
    if path.is_file():
        yield name, path
        return
    seen: set[str] = set()
    for folder, below, names in os.walk(path, followlinks=True):
        real = os.path.realpath(folder)
        below[:] = [] if real in seen else sorted(one for one in below if one[0] != ".")
        for one in sorted(names) if real not in seen else ():
            if one[0] != "." and (Path(folder) / one).is_file():
                yield (
                    f"{name}/{(Path(folder) / one).relative_to(path).as_posix()}",
                    Path(folder, one),
                )
        seen.add(real)


def _snapshot(database: Path, target: Path) -> None:
    """Copy the database as it is at one moment, whoever writes to it meanwhile."""
    with (
        closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(target)) as copy,
    ):
        try:
            source.backup(copy)
            found = [row[0] for row in copy.execute("PRAGMA quick_check")]
        except sqlite3.DatabaseError as error:
            found = [str(error)]
    if found != ["ok"]:
        raise PawlError(
            f"the database {database} is damaged: {'; '.join(found[:3])}",
            rule="a backup holds a sound record, or it is none",
            remedy="restore an earlier one: `pawl restore FILE`",
        )


def _add(tar: tarfile.TarFile, path: Path, name: str, copy: Path) -> tuple[str, int]:
    """Add a file as it is at one moment; returns its sha256 and its size."""
    for _ in range(ATTEMPTS):
        before = _state(path)
        shutil.copyfile(path, copy)
        if _state(path) != before:
            continue
        info = tar.gettarinfo(copy, name)
        info.mode, info.uid, info.gid, info.uname, info.gname = 0o600, 0, 0, "", ""
        info.mtime = int(path.stat().st_mtime)
        with copy.open("rb") as file:
            tar.addfile(info, file)
        return digest_file(copy), info.size
    raise PawlError(
        f"{path} changes all the time",
        rule="a backup holds each file as it was at one moment",
        remedy="run the command again once it is written",
    )


def _state(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


@contextmanager
def _whole(target: Path) -> Iterator[tempfile._TemporaryFileWrapper[bytes]]:
    """A file for its owner alone, that takes its place when the block succeeds, else is removed."""
    for path in leftovers(target.parent, name=target.name):
        remove(path)
    prefix = f".{target.name}.new-"
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=prefix, delete=False) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).rename(target)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _refuse_target(workspace: Workspace, target: Path) -> None:
    if target.exists() or not target.parent.is_dir():
        found = f"{target} is there" if target.exists() else f"there is no folder {target.parent}"
        raise UsageError(
            found,
            rule="a backup is a new file, or one named by the time in a folder that is there",
            remedy="name another file, or a folder",
        )
    if target.resolve().is_relative_to(workspace.home.resolve()):
        raise UsageError(
            f"{target} is below {workspace.home}",
            rule="a backup outlives what it backs up",
            remedy="name a file elsewhere, best on another disk",
        )


def find_rows(workspace: Workspace) -> tuple[Path | None, str]:
    """DVC's cache, None where there is no DVC, and in words where the rows are."""
    try:
        with open_dvc(workspace) as repo:
            cache = Path(repo.cache.local_cache_dir)
            names = ", ".join(sorted(repo.config["remote"])) or "none"
    except PawlError:
        return None, "not in the file: this is no DVC repository"
    return cache, f"not in the file: DVC's cache {cache}, remotes: {names}"
