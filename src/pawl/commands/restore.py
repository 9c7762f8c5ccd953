"""`pawl restore`: bring a backup back, verified, beside what is there; nothing is overwritten.

All files are first unpacked below `.pawl/` and compared with the backup's list. Then each takes its
place, the database last: after an interruption the record is still gone, every command says so,
and the next `pawl restore` goes on.
"""

from __future__ import annotations

import errno
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from pydantic import TypeAdapter

from pawl.commands.backup import CACHE, CONTENTS, DATABASE, FORMAT, HOME, Contents, find_rows
from pawl.core.files import digest_file, remove
from pawl.core.records.commands import BackupReport
from pawl.errors import UsageError, disk_full_error
from pawl.workspace.lock import workspace_lock
from pawl.workspace.paths import Workspace
from pawl.workspace.place import PLACE

RULE = "a backup is a file that `pawl backup` wrote, whole and unchanged"


def restore(workspace: Workspace, file: Path, *, missing: bool = False) -> BackupReport:
    """Bring back what a backup holds and is not there; what is there and the same stays.

    With `missing`, what is there and is not the same stays, too: the files that a newer record
    lost. The result counts what was brought back.

    Raises:
        UsageError: the file is no backup or was altered; or something else is where one of its
            files belongs. Nothing was changed then.
    """
    with workspace_lock(workspace), _scratch(workspace.home) as scratch:
        contents = _unpack(file, scratch)
        targets = _targets(workspace, contents)
        _refuse_conflicts(workspace, contents, targets, missing=missing)
        absent = [name for name, path in targets.items() if not path.exists() or path.name == PLACE]
        size = sum((scratch / name).stat().st_size for name in absent)
        # The database last: it is what makes the rest a record.
        for name in sorted(absent, key=lambda name: name == DATABASE):
            _place(scratch / name, targets[name])
    return BackupReport(
        file=str(file),
        made=contents.made,
        files=len(absent),
        bytes=size,
        store=contents.store,
        keys=contents.keys,
        data=contents.data,
    )


@contextmanager
def _scratch(home: Path) -> Iterator[Path]:
    """A folder on the same file system, which `pawl gc` knows where this process is killed."""
    # The workspace is locked: whoever made one is no more. A key may be in it.
    for path in home.glob(".restore.new-*"):
        remove(path)
    with tempfile.TemporaryDirectory(dir=home, prefix=".restore.new-") as folder:
        yield Path(folder)


def _unpack(file: Path, scratch: Path) -> Contents:
    """Unpack a backup into a folder, each file compared with the list at its end."""
    digests: dict[str, str] = {}
    try:
        with tarfile.open(file, "r:gz") as tar:
            for member in tar:
                _refuse_member(file, member)
                target = scratch / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                source = tar.extractfile(member)
                with target.open("xb") as out:
                    shutil.copyfileobj(source, out)  # type: ignore[arg-type]  # it is a file
                    out.flush()
                    os.fsync(out.fileno())
                os.utime(target, (member.mtime, member.mtime))
                digests[member.name] = digest_file(target)
        if CONTENTS not in digests:
            raise _no_backup(file, "is cut short: it has no list of its files")
        text = (scratch / CONTENTS).read_bytes()
        contents = TypeAdapter(Contents).validate_json(text)
    except (tarfile.TarError, ValueError, EOFError, zlib.error) as error:
        raise _no_backup(file, f"is no backup, or is cut short: {str(error)[:200]}") from error
    except OSError as error:
        if disk_full_error(error):
            raise
        raise _no_backup(file, f"cannot be unpacked: {error}") from error
    if contents.format != FORMAT:
        raise _no_backup(file, f"is of format {contents.format}, written by Pawl {contents.pawl}")
    del digests[CONTENTS]
    if digests != contents.files:
        names = {*digests, *contents.files}
        off = sorted(name for name in names if digests.get(name) != contents.files.get(name))
        raise _no_backup(file, f"was altered: {', '.join(off[:3])} of {len(names)} files")
    return contents


def _refuse_member(file: Path, member: tarfile.TarInfo) -> None:
    """Refuse what `pawl backup` does not write: links, devices, names that lead elsewhere."""
    path = PurePosixPath(member.name)
    inside = path.parts[:1] in ((HOME,), (CACHE,)) and len(path.parts) > 1
    plain = str(path) == member.name and ".." not in path.parts
    if not (member.isreg() and plain and (inside or member.name == CONTENTS)):
        raise _no_backup(file, f"holds {member.name!a}, which no backup does")


def _targets(workspace: Workspace, contents: Contents) -> dict[str, Path]:
    """Where each file belongs."""
    roots = {HOME: workspace.home}
    if any(name.startswith(f"{CACHE}/") for name in contents.files):
        roots[CACHE] = find_rows(workspace)[0] or workspace.root / ".dvc" / "cache"
    named = {name: name.partition("/") for name in contents.files}
    return {name: roots[root] / rest for name, (root, _, rest) in named.items()}


def _refuse_conflicts(
    workspace: Workspace, contents: Contents, targets: dict[str, Path], *, missing: bool
) -> None:
    """Refuse to replace any file by another one; with `missing` none is replaced."""
    off = [
        path
        for name, path in targets.items()
        if not missing
        and os.path.lexists(path)
        and path != workspace.home / PLACE
        and not (path.is_file() and digest_file(path) == contents.files[name])
    ]
    if DATABASE in targets and not targets[DATABASE].exists():
        # SQLite would take what is left of another database for changes to this one.
        off += sorted(workspace.home.glob(f"{workspace.database.name}-*"))
    if off:
        shown = ", ".join(map(str, off[:3])) + (f" and {len(off) - 3} more" if off[3:] else "")
        aside = f"{workspace.root}.before"
        raise UsageError(
            f"the backup has other bytes for {shown}",
            rule="`pawl restore` overwrites nothing",
            remedy=f"move the present state away, then restore: mv {workspace.home} {aside}; "
            "it may hold keys that the backup lacks. Or bring back only what is gone: --missing",
        )


def _place(source: Path, target: Path) -> None:
    """Move a file to its place, and both folders to the disk."""
    missing = [path for path in (target.parent, *target.parents) if not path.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700 if folder.name == "keys" else 0o777, exist_ok=True)
    private = target.parent.name == "keys"
    source.chmod(0o600 if private else 0o666 & ~_umask())
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # DVC's cache may be on another disk.
        temp = target.with_name(f".{target.name}.new-restore")
        shutil.copyfile(source, temp)
        temp.rename(target)
    for folder in {target.parent, *(path.parent for path in missing)}:
        handle = os.open(folder, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _no_backup(file: Path, found: str) -> UsageError:
    return UsageError(f"{file} {found}", rule=RULE, remedy="name another backup; nothing changed")
