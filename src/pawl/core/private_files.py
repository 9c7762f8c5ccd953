"""Files that only their owner may read: keys and passwords."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def write_private(path: Path, data: bytes) -> None:
    """Make `path` with mode 0600, whole or not at all; a file that is there stays as it is.

    Never readable by others, not even for a moment. Where several processes write at once, the
    first one wins, and what all of them read afterwards is whole and the same. On return the file
    is on the disk, also after a power cut. Folders that are missing are made with mode 0700.

    Raises:
        OSError: the folder cannot be written to, or the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # mkstemp makes it 0600 whatever the umask is.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # A link, for it refuses to replace the file of another process, and a rename does not.
        with suppress(FileExistsError):
            path.hardlink_to(name)
    finally:
        Path(name).unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
