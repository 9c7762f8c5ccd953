"""Opens a data file, unpacked if its name says that it is packed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from pathlib import Path
from typing import IO, cast

PACKED = (".gz", ".bz2", ".xz", ".zst")


def unpacked(path: Path, name: str) -> IO[bytes]:
    """Open a file; `name` ends in one of PACKED if it is packed.

    Raises:
        OSError: it cannot be opened. Reading raises it, `EOFError` or `lzma.LZMAError`, if it is
            not packed as its name says.
    """
    if name.endswith(".gz"):
        return cast("IO[bytes]", gzip.open(path))
    if name.endswith(".bz2"):
        return cast("IO[bytes]", bz2.open(path))
    if name.endswith(".xz"):
        return cast("IO[bytes]", lzma.open(path))
    if name.endswith(".zst"):
        return _zstandard(path)
    return path.open("rb")


def bare(name: str) -> str:
    """The name without the suffix that says how it is packed."""
    return next((name.removesuffix(end) for end in PACKED if name.endswith(end)), name)


def _zstandard(path: Path) -> IO[bytes]:
    import pyarrow as pa

    stream = pa.input_stream(str(path), compression="zstd", buffer_size=1 << 20)
    return cast("IO[bytes]", io.BufferedReader(stream, 1 << 20))
