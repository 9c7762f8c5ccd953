"""What DVC and git know of a task's data file: its versions, their bytes, and a new one.

DVC's pointer (`<data>.dvc`) names the bytes by md5, git's history holds the pointers: those two are
the record, and nothing here keeps another.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pawl.core.files import digest_file, digest_md5
from pawl.core.processes import git, run
from pawl.errors import DataError, PawlError, UsageError
from pawl.workspace.paths import Workspace

MD5 = re.compile(r"[0-9a-f]{32}")
# One commit of `git log`, then the lines that it changed in the pointer.
COMMIT = re.compile(r"\x01([0-9a-f]+)\x00([^\x00]*)\x00([^\n]*)\n([^\x01]*)")
ADDED = re.compile(r"^\+.*\bmd5: ([0-9a-f]{32})$", re.MULTILINE)
NOT_LOST = "data that could not be brought back is never overwritten"


@dataclass(frozen=True)
class Commit:
    """A commit that changed the pointer; `when` is its committer's time in ISO 8601."""

    md5: str
    commit: str
    when: str
    subject: str


@dataclass(frozen=True)
class Version:
    """A version of the data: DVC's md5 of its bytes and, where it is known, their sha256.

    `says` is how the user named it.
    """

    says: str
    md5: str
    sha256: str | None = None


def tracked(workspace: Workspace, data: str) -> str | None:
    """The md5 that the pointer in the workspace names; None where none can be read."""
    path = pointer(workspace, data)
    return _md5_of(path.read_text(encoding="utf-8")) if path.is_file() else None


def tracked_at(workspace: Workspace, data: str, revision: str) -> str | None:
    """The md5 that the pointer named at a git revision; None where there was none of the two."""
    asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    commit = git(workspace.root, *asked)
    text = git(workspace.root, "show", f"{commit}:./{data}.dvc") if commit else None
    return None if text is None else _md5_of(text)


def history(workspace: Workspace, data: str) -> tuple[Commit, ...]:
    """The commits of all branches that changed the data's version, newest first."""
    text = git(
        workspace.root,
        *("log", "--exclude=refs/stash", "--all", "--no-color", "--no-ext-diff", "--unified=0"),
        *("--format=%x01%H%x00%cI%x00%s", "--patch", "--", f"{data}.dvc"),
    )
    return tuple(
        Commit(brought[0], commit, when, subject)
        for commit, when, subject, changes in COMMIT.findall(f"{text or ''}\n")
        if (brought := ADDED.findall(changes))
    )


def content(workspace: Workspace, version: Version) -> Path:
    """Where the version's bytes lie in DVC's cache, brought from the remote if need be, verified.

    Raises:
        DataError: neither cache nor remote has them, or they are not what their name says.
        PawlError: the remote cannot be asked.
    """
    path = _cached(workspace, version.md5, fetch=True)
    if not path.is_file():
        raise DataError(
            f"data version {version.says} (md5 {version.md5[:12]}) is neither in DVC's cache nor "
            "in its remote",
            rule="a version can be brought back as long as one of the two holds its bytes",
            remedy="`dvc push --all-commits` on the machine that has it, then again here",
        )
    refuse_other(path, version)
    return path


def refuse_other(path: Path, version: Version) -> None:
    """Refuse bytes that are not the version's; raises `DataError`."""
    found = {"md5": digest_md5(path)}
    wanted = {"md5": version.md5}
    if version.sha256 is not None:
        found["sha256"], wanted["sha256"] = digest_file(path), version.sha256
    for name, digest in wanted.items():
        if found[name] != digest:
            raise DataError(
                f"what DVC holds as data version {version.says} has {name} {found[name][:12]}",
                rule=f"the record says {digest[:12]}",
                remedy="if its cache was damaged, remove that file and fetch it again: "
                f"{path}, `dvc pull`",
            )


def refuse_loss(workspace: Workspace, data: str, *, coming: str) -> None:
    """Refuse to replace the data file unless DVC's cache can bring it back (or `coming` is it).

    A tracked file that the cache lacks is put there first.

    Raises:
        UsageError: what lies there is not what DVC tracks.
    """
    target = workspace.inside(data)
    if not target.exists() or (lying := digest_md5(target)) == coming:
        return
    if lying != tracked(workspace, data):
        raise UsageError(
            f"{data} holds rows that DVC does not track (md5 {lying[:12]})",
            rule=NOT_LOST,
            remedy=f"keep them as a version: `pawl data add {data}`; or drop them: "
            f"`dvc checkout --force {data}.dvc`",
        )
    held = _cached(workspace, lying, fetch=False)
    if not held.is_file() or digest_md5(held) != lying:
        held.unlink(missing_ok=True)
        track(workspace, data)


def track(workspace: Workspace, data: str) -> list[str]:
    """Have DVC track what lies there; returns the files that git should hold of it.

    Raises:
        PawlError: DVC refuses; the rows lie in their place.
    """
    ignored = pointer(workspace, data).with_name(".gitignore")
    before = ignored.read_bytes() if ignored.is_file() else b""
    with _dvc(workspace) as repo:
        # Else DVC would remove the file and write it again, to link it to the cache; a crash in
        # between would leave none.
        repo.add(str(workspace.inside(data)), relink=False)
    changed = ignored.is_file() and ignored.read_bytes() != before
    mine = [f"{data}.dvc"]
    return [*mine, ignored.relative_to(workspace.root).as_posix()] if changed else mine


def commit(workspace: Workspace, files: list[str], message: str) -> str | None:
    """Commit these files and nothing else; the commit, or None where nothing had changed.

    Raises:
        UsageError: git refuses.
    """
    words = {
        "rule": "the rows are in place and DVC tracks them; only the commit is missing",
        "remedy": f"see what git says, then commit {', '.join(files)} yourself",
    }
    run(workspace.root, "git", "add", "--", *files, **words)
    if not git(workspace.root, "status", "--porcelain", "--", *files):
        return None
    run(
        workspace.root,
        *("git", "commit", "--quiet", "--only", "--message", message, "--", *files),
        **words,
    )
    return git(workspace.root, "rev-parse", "HEAD")


def pointer(workspace: Workspace, data: str) -> Path:
    """DVC's pointer of the data file, be it there or not."""
    return workspace.inside(f"{data}.dvc")


def _md5_of(text: str) -> str | None:
    try:
        outs = yaml.safe_load(text)["outs"]
        found = outs[0]["md5"]
    except (yaml.YAMLError, KeyError, IndexError, TypeError):
        return None
    return found if isinstance(found, str) and MD5.fullmatch(found) else None


def _cached(workspace: Workspace, md5: str, *, fetch: bool) -> Path:
    """Where DVC's cache has, or would have, these bytes; with `fetch` the remote is asked."""
    from dvc.config import NoRemoteError  # type: ignore[import-untyped]
    from dvc_data.hashfile.hash_info import HashInfo

    with _dvc(workspace) as repo:
        path = Path(repo.cache.local.oid_to_path(md5))
        if fetch and not path.is_file():
            with suppress(NoRemoteError):
                repo.cloud.pull([HashInfo("md5", md5)])
    return path


@contextmanager
def _dvc(workspace: Workspace) -> Iterator[Any]:
    """The workspace's DVC repository; what it refuses is told in its own words."""
    # DVC ships no types.
    from dvc.exceptions import DvcException  # type: ignore[import-untyped]
    from dvc.repo import Repo  # type: ignore[import-untyped]

    log = logging.getLogger("dvc")
    before = log.level
    try:
        with Repo(str(workspace.root)) as repo:
            # Its hints and progress bars would stand between ours, and in the JSON of `--json`.
            log.setLevel(logging.ERROR)
            yield repo
    except DvcException as error:
        raise PawlError(
            f"DVC refuses: {error}",
            rule="a task's data file is tracked by DVC",
            remedy="do what it says, then again; `dvc doctor` shows how it is set up",
        ) from error
    finally:
        log.setLevel(before)
