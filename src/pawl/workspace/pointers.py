"""DVC's pointer files: what `<name>.dvc` says of the file or folder `<name>` beside it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from pawl.core.files import write_text
from pawl.core.records.commands import Source

MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")


@dataclass(frozen=True)
class Pointer:
    """The md5 that DVC names the bytes by; of a folder it is that of the list of its files.

    `algorithm` is DVC's: `md5`, or `md5-dos2unix`, which DVC 2 took of text.
    """

    md5: str
    algorithm: str


# The key of a pointer's `meta`, which DVC leaves to its users, that says where its bytes are from.
FETCHED = "fetched"
# What DVC's `import-url` calls the version of an address, by the kind of storage.
VERSIONS = ("etag", "checksum", "version_id")


def pointer_of(path: Path) -> Path:
    """The path of a file's or folder's pointer, which need not exist."""
    return path.with_name(f"{path.name}.dvc")


def read_pointer(path: Path) -> Pointer | None:
    """What the pointer of the file or folder `path` says; None if it has none that names an md5."""
    pointer = pointer_of(path)
    try:
        return parse_pointer(pointer.read_text(encoding="utf-8")) if pointer.is_file() else None
    except UnicodeDecodeError:
        return None


def parse_pointer(text: str) -> Pointer | None:
    """What the text of a pointer file says; None if it names no md5."""
    try:
        out = yaml.safe_load(text)["outs"][0]
        md5, algorithm = out["md5"], out.get("hash", "md5-dos2unix")
    except (yaml.YAMLError, KeyError, IndexError, TypeError, AttributeError):
        return None
    if not (isinstance(md5, str) and MD5.fullmatch(md5) and isinstance(algorithm, str)):
        return None
    return Pointer(md5, algorithm)


def parse_source(text: str) -> Source | None:
    """Where a pointer's bytes were fetched; None where it does not say, or of other bytes.

    DVC keeps `meta` when it tracks later bytes, hence their md5 in it. What `dvc import-url` wrote
    is understood as well.
    """
    pointer = parse_pointer(text)
    if pointer is None:
        return None
    value: dict[str, Any] = yaml.safe_load(text)
    try:
        fetched = value.get("meta", {}).get(FETCHED)
        if fetched and fetched["md5"] == pointer.md5:
            return Source(str(fetched["address"]), fetched["version"], fetched["when"])
        dep = value["deps"][0]
        version = next((str(dep[key]) for key in VERSIONS if key in dep), None)
        return Source(str(dep["path"]), version, None)
    except (KeyError, IndexError, TypeError, AttributeError):
        return None


def write_source(path: Path, source: Source) -> None:
    """Note in the pointer of the file `path`, which is there, where its bytes were fetched."""
    pointer = pointer_of(path)
    value = yaml.safe_load(pointer.read_text(encoding="utf-8"))
    fetched = {**asdict(source), "md5": value["outs"][0]["md5"]}
    value["meta"] = {**(value.get("meta") or {}), FETCHED: fetched}
    write_text(pointer, yaml.safe_dump(value, sort_keys=False, allow_unicode=True))


def is_linked_by_dvc(path: Path) -> bool:
    """Whether a file is a link to the object of DVC's cache that its own pointer names.

    So it is with `cache.type symlink`; the cache may lie anywhere and be shared.
    """
    if not path.is_symlink() or (pointer := read_pointer(path)) is None:
        return False
    return object_name(path.resolve()) == pointer.md5


def object_name(path: Path) -> str | None:
    """The md5 that a file of DVC's cache is named by (`files/md5/01/23…`); None for other files."""
    name = path.parent.name + path.name
    in_cache = len(path.parent.name) == 2 and path.parts[-4:-2] == ("files", "md5")
    return name if in_cache and MD5.fullmatch(name) else None
