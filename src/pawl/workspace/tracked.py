"""Whether files that DVC tracks are what their pointers say.

DVC takes what a remote sends for what the pointer names, unless that remote has `verify: true`, and
remembers it as that: `dvc pull` and `dvc status` are content with a remote's other bytes. So Pawl
compares the bytes here with the pointer itself.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from pathlib import Path

from pawl.config.schema import Task
from pawl.core.files import digest_md5, whole_file
from pawl.core.records import BaseRef
from pawl.errors import BaseError, DataError, PawlError
from pawl.workspace.dvc_calls import open_dvc
from pawl.workspace.paths import Workspace
from pawl.workspace.pointers import Pointer, object_name, read_pointer
from pawl.workspace.task_inputs import data_file, named_files

UNREAD = (
    "DVC takes a remote's bytes unread unless `dvc remote modify NAME verify true` is set; "
    "the pointer, which is in git, is to be believed"
)
UNKNOWN = (
    "a file that was changed here is believed where DVC's cache holds the bytes of before; it does "
    "not, so the file may be damaged as well as changed"
)
CHANGED = "a base that DVC tracks is used as its pointer says"


def refuse_other_data(workspace: Workspace, section: Task) -> None:
    """Refuse a task whose data, schema or prompt is not what its pointer says.

    A file that was changed here is no fault: DVC's cache holds the bytes of before, and the next
    cycle has DVC track the new ones.

    Raises:
        DataError: such a file has other bytes and nothing shows that it was changed here, or it is
            missing.
    """
    data_file(workspace, section)
    for name in named_files(section):
        _refuse_other(workspace, name, DataError, changed=True)


def refuse_other_base(workspace: Workspace, base: BaseRef) -> None:
    """Refuse a base folder of the workspace that is not what its pointer says.

    Raises `BaseError`. A base on the hub, outside the workspace or not tracked has no pointer.
    """
    if (workspace.root / base.model).is_dir():
        _refuse_other(workspace, base.model, BaseError, changed=False)


def _refuse_other(workspace: Workspace, name: str, kind: type[PawlError], *, changed: bool) -> None:
    """Compare a file or folder with its pointer; `changed`: it may have been changed here."""
    if (found := _tracked(workspace, name)) is None:
        return
    place, pointer = found
    shown = place.relative_to(workspace.root).as_posix()
    pull = f"`dvc pull {shlex.quote(shown)}.dvc`"
    if not place.exists():
        rule = f"{shown}.dvc says that it has md5 {pointer.md5[:12]}"
        raise kind(f"{shown} is not there", rule=rule, remedy=f"{pull} brings it")
    if (actual := md5_here(workspace, place, pointer)) == pointer.md5:
        return
    damaged, missing = _cached(workspace, pointer)
    if changed and not damaged and not missing:
        return
    remove = " ".join(shlex.quote(str(path)) for path in (place, *damaged))
    again = f"`rm -rf {remove}`, then {pull}; if that fails, `dvc push` again where it was added"
    rule = UNREAD if damaged else UNKNOWN if missing else CHANGED
    if not damaged:
        again = f"if you changed it: `dvc add {shlex.quote(shown)}`; if you did not: {again}"
    raise kind(
        f"{shown} has md5 {actual[:12]}, its pointer {shown}.dvc says {pointer.md5[:12]}",
        rule=rule,
        remedy=again,
    )


def md5_here(workspace: Workspace, path: Path, pointer: Pointer) -> str:
    """The md5 of the bytes of a file or folder, as DVC computes it but trusting no state of DVC."""
    if path.is_file() and pointer.algorithm == "md5":
        return digest_md5(path)
    if path.is_dir() and (md5 := _md5_of_folder(path)) == pointer.md5:
        return md5
    # Files that .dvcignore leaves out, or a pointer of DVC 2.
    from dvc.fs import localfs  # type: ignore[import-untyped]
    from dvc.ignore import DvcIgnoreFilter  # type: ignore[import-untyped]
    from dvc_data.hashfile.build import build
    from dvc_data.hashfile.db import HashFileDB

    _, _, found = build(
        HashFileDB(localfs, ""),
        str(path),
        localfs,
        pointer.algorithm,
        ignore=DvcIgnoreFilter(localfs, str(workspace.root)),
        dry_run=True,
    )
    return str(found.hash_info.value)


def unlink_from_cache(folder: Path) -> None:
    """Replace links to DVC's cache below a folder by copies of what they lead to.

    With `cache.type symlink` DVC leaves links as a stage's outputs. Others who share the cache
    could change what was verified, so no link is read where bytes count.

    Raises:
        DataError: the cache has other bytes than those that they are named by.
    """
    for path in folder.rglob("*"):
        if path.is_symlink() and (name := object_name(target := path.resolve())) is not None:
            with whole_file(path) as copy:
                copy.write_bytes(target.read_bytes())
                if (actual := digest_md5(copy)) != name:
                    raise DataError(
                        f"{target} in DVC's cache has md5 {actual[:12]}",
                        rule="its name says what its bytes are",
                        remedy="remove that file and run the command again: the stage runs again",
                    )


def _tracked(workspace: Workspace, name: str) -> tuple[Path, Pointer] | None:
    """The file or folder that DVC tracks and that `name` is or is in, with its pointer."""
    path = workspace.root / name
    for place in (path, *path.parents):
        if not place.is_relative_to(workspace.root) or place == workspace.root:
            return None
        if (pointer := read_pointer(place)) is not None:
            return place, pointer
    return None


def _cached(workspace: Workspace, pointer: Pointer) -> tuple[list[Path], list[Path]]:
    """What DVC's cache has in place of the pointer's bytes, and what it lacks of them."""
    with open_dvc(workspace) as repo:
        at = repo.cache.local.oid_to_path
        objects = [Path(at(pointer.md5))]
        if pointer.md5.endswith(".dir") and _is_whole(objects[0]):
            listed = json.loads(objects[0].read_text(encoding="utf-8"))
            objects += [Path(at(one["md5"])) for one in listed]
    missing = [path for path in objects if not path.is_file()]
    return [path for path in objects if path.is_file() and not _is_whole(path)], missing


def _is_whole(cached: Path) -> bool:
    """Whether a file of DVC's cache has the bytes that it is named by."""
    name = (object_name(cached) or "").removesuffix(".dir")
    return cached.is_file() and digest_md5(cached) == name


def _md5_of_folder(folder: Path) -> str:
    """DVC's md5 of a folder from which nothing is left out: of the list of its files."""
    files = [
        {"md5": digest_md5(path), "relpath": path.relative_to(folder).as_posix()}
        for path in folder.rglob("*")
        if path.is_file()
    ]
    text = json.dumps(sorted(files, key=lambda one: one["relpath"]), sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + ".dir"
