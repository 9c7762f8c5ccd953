"""Rows from elsewhere, fetched to be read here: an address that DVC reads, a data set of the hub.

An import of DVC's own (`dvc import-url`) would have its pointer: then DVC asks the address again
whenever rows are edited here, and a cycle ends where it does not answer (ADR 43).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlsplit

from pawl.core.records.commands import Source
from pawl.data.read.dataset_folder import one_file
from pawl.data.read.formats import data_format
from pawl.data.read.lines import MAX_FILE
from pawl.data.versions.hub_files import ANY_HUB, HUB, from_hub
from pawl.errors import DataError, UsageError
from pawl.workspace.dvc_calls import open_dvc
from pawl.workspace.paths import Workspace

LOOPBACK = ("127.0.0.1", "::1", "localhost")
# What storages call the version of a file, in the answers that DVC's file systems give.
VERSIONS = ("ETag", "etag", "version_id", "LastModified")
MAX_VERSION = 200
A_FILE = "rows are a file, a folder, or an address: https://…, s3://…, hf://datasets/OWNER/NAME"
# `owner/name`, perhaps with a revision: what the hub calls its data sets.
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")


@dataclass(frozen=True)
class RowsHere:
    """A file of rows, notes on how it came to be, and where it was fetched, if it was."""

    file: Path
    notes: tuple[str, ...]
    source: Source | None


@contextmanager
def rows_here(workspace: Workspace, named: str | Path) -> Iterator[RowsHere]:
    """Within this, the rows that a file, a folder or an address names are one file here.

    Raises:
        UsageError: nothing is there, or the address would put a secret into git.
        DataError: it cannot be fetched, changed meanwhile, is too large, or has no rows.
    """
    if not is_address(named):
        with one_file(_existing(named)) as (data, notes):
            yield RowsHere(data, notes, None)
        return
    address = str(named)
    with TemporaryDirectory(prefix="pawl-fetched-") as made:
        place, version = (
            from_hub(address)
            if address.startswith(ANY_HUB)
            else _from_address(workspace, address, Path(made))
        )
        source = Source(address, version, datetime.now(UTC).isoformat(timespec="seconds"))
        with one_file(place) as (data, notes):
            says = f"fetched from {address} ({version or 'it named no version'})"
            yield RowsHere(data, (says, *notes), source)


def is_address(named: str | Path) -> bool:
    """Whether rows are named by an address; a `Path` is none, as it has no `//`."""
    return isinstance(named, str) and "://" in named


def _existing(named: str | Path) -> Path:
    path = Path(named)
    # Reading a pipe waits for a writer, and a device is endless.
    if (path.is_file() or path.is_dir()) and named:
        return path
    remedy = "correct the path"
    if HUB_ID.fullmatch(path.as_posix()):
        remedy += f"; a data set of the hub is named `{HUB}{path.as_posix()}`"
    found = f"{named or 'no name'} is no file" if path.exists() else f"{named} is not there"
    raise UsageError(found, rule=A_FILE, remedy=remedy)


def _from_address(workspace: Workspace, address: str, folder: Path) -> tuple[Path, str | None]:
    """Fetch one file through DVC's file systems; return it, and the version that it has there."""
    name = _file_name(address)
    data_format(name)
    try:
        with open_dvc(workspace) as repo:
            from dvc.fs import download, parse_external_url  # type: ignore[import-untyped]

            files, place = parse_external_url(address, config=repo.config)
            before = files.info(place)
            _refuse_large(name, before.get("size"))
            download(files, place, str(folder / name))
            after = files.info(place)
    except ImportError as error:
        kind = urlsplit(address).scheme
        raise UsageError(
            f"DVC reads no {kind}:// here: {error}",
            rule="each kind of storage is a package of DVC's own",
            remedy=f"`pip install 'dvc[{kind}]'`, or fetch the file and name it",
        ) from error
    except Exception as error:
        if not _of_the_storage(error):
            raise
        raise DataError(
            f"{address} cannot be fetched: {type(error).__name__} {error}".strip(),
            rule="an address answers with a file",
            remedy="see whether it opens elsewhere; where it asks who you are, `dvc remote add` "
            "with credentials, and `remote://NAME/…` as the address",
        ) from error
    if (version := _version(before)) != _version(after) or before.get("size") != after.get("size"):
        raise DataError(
            f"{address} changed while it was fetched",
            rule="rows are those of one version of a file",
            remedy="try again",
        )
    return folder / name, version


def _file_name(address: str) -> str:
    """The name of the file at an address; refuses one that may hold a secret, without showing it.

    The address goes into the pointer, and with it into git.
    """
    try:
        parts = urlsplit(address)
        name = unquote(parts.path).replace("\0", "")
    except ValueError as error:
        raise UsageError(
            f"what is named is no address: {error}", rule=A_FILE, remedy="correct it"
        ) from error
    shown = f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError(
            f"the address {shown} with a name, a password or a query",
            rule="an address is recorded with the rows, in git, so it holds nothing secret",
            remedy="leave that out if it opens without; else fetch the file and name it, or "
            "`dvc remote add` with credentials, and `remote://NAME/…`",
        )
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise UsageError(
            f"the address {shown}",
            rule="whoever is on the way may change what http:// brings",
            remedy="name it with https://",
        )
    return Path(name).name or parts.netloc


def _refuse_large(name: str, size: object) -> None:
    if isinstance(size, int) and size > MAX_FILE:
        raise DataError(
            f"{name} has {size:,} bytes",
            rule=f"a data file has at most {MAX_FILE:,}",
            remedy="take a part of it",
        )


def _version(info: dict[str, Any]) -> str | None:
    found = next((str(info[key]) for key in VERSIONS if info.get(key)), None)
    found = found and found.strip('"')[:MAX_VERSION]
    return found if found and found.isprintable() else None


def _of_the_storage(error: Exception) -> bool:
    """Whether an error is one of the network or of a storage's client, which have no base class."""
    module = type(error).__module__.partition(".")[0]
    return isinstance(error, OSError) or module in ("aiohttp", "fsspec", "botocore", "asyncio")
