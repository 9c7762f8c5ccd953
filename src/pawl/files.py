"""Files that are whole or absent, known by their sha256.

Everything that a stage leaves goes through `write_text`, `write_json` or `whole_folder`: written
beside its place, fsynced, renamed. A crash leaves the old state or the new one, never a half.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHUNK = 1 << 20


def digest_text(text: str) -> str:
    """sha256 of the UTF-8 bytes, as 64 hex digits."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def digest_json(value: Any) -> str:
    """sha256 of the canonical JSON (sorted keys, no blanks), so that key order does not matter."""
    return digest_text(json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False))


def digest_file(path: Path) -> str:
    """sha256 of a file's bytes, read in chunks of 1 MiB."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            sha.update(chunk)
    return sha.hexdigest()


def digest_files(root: Path, names: Iterable[str]) -> dict[str, str]:
    """Map each name below `root` to the sha256 of its bytes, in name order."""
    return {name: digest_file(root / name) for name in sorted(names)}


def write_text(path: Path, text: str) -> None:
    """Replace `path` by `text` (UTF-8) in one atomic step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temp = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes 0600; a shared workspace expects the umask's mode, as open() would give.
        Path(temp).chmod(0o666 & ~_umask())
        Path(temp).replace(path)
    except BaseException:
        Path(temp).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Replace `path` by indented JSON with sorted keys; NaN and infinity are refused."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def write_lines(path: Path, values: Iterable[Any]) -> None:
    """Replace `path` by JSON lines, one value a line."""
    lines = (json.dumps(v, ensure_ascii=False, allow_nan=False, sort_keys=True) for v in values)
    write_text(path, "".join(f"{line}\n" for line in lines))


def read_lines(path: Path) -> Iterator[Any]:
    """Yield the values of a JSON lines file that a stage of this project wrote."""
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            yield json.loads(line)


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `target` when the block ends well.

    On an exception `target` stays as it was and the half-made folder is removed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temp = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        yield temp
        for path in temp.rglob("*"):
            if path.is_file():
                _sync_file(path)
        temp.chmod(0o777 & ~_umask())
        if target.exists():
            shutil.rmtree(target)
        temp.replace(target)
    except BaseException:
        shutil.rmtree(temp, ignore_errors=True)
        raise
    _sync_folder(target.parent)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    # The rename itself must survive a power cut; only the folder's own fsync promises that.
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
