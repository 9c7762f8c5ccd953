"""Versions of a task's data file in DVC and git: list them, fetch their bytes, add one.

DVC's pointer file (`<data>.dvc`) holds the md5 of the bytes, git's history holds the pointers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pawl.core.files import digest_file, digest_md5
from pawl.core.processes import git, run
from pawl.core.records.commands import Source
from pawl.errors import DataError, UsageError
from pawl.workspace.dvc_calls import cache_path, open_dvc
from pawl.workspace.paths import Workspace
from pawl.workspace.pointers import parse_pointer, parse_source, pointer_of, read_pointer

# One commit of `git log` and the pointer with the lines that it changed marked.
COMMIT = re.compile(r"\x01([0-9a-f]+)\x00([^\x00]*)\x00([^\n]*)\n([^\x01]*)")
# A line of it after the commit, and whether the commit added it.
LINE = re.compile(r"^([+ ])(.*)$", re.MULTILINE)
# Lines around a change that are shown; no pointer is longer.
AROUND = 1000
NO_LOSS = "data that could not be restored is never overwritten"


@dataclass(frozen=True)
class Commit:
    """A commit that changed the pointer; `when` is its committer's time in ISO 8601, `source` where
    the rows were fetched, if they were."""

    md5: str
    commit: str
    when: str
    subject: str
    source: Source | None


@dataclass(frozen=True)
class Version:
    """DVC's md5 of its bytes and, if known, their sha256; `label` is the user's name for it."""

    label: str
    md5: str
    sha256: str | None = None


def tracked_md5(workspace: Workspace, data: str) -> str | None:
    """Return the md5 in the workspace's pointer file; None if it has none."""
    pointer = read_pointer(workspace.inside(data))
    return pointer.md5 if pointer else None


def tracked_md5_at(workspace: Workspace, data: str, revision: str) -> str | None:
    """Return the md5 in the pointer file at a git revision; None if either is missing."""
    arguments = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    commit = git(workspace.root, *arguments)
    text = git(workspace.root, "show", f"{commit}:./{data}.dvc") if commit else None
    pointer = None if text is None else parse_pointer(text)
    return pointer.md5 if pointer else None


def history(workspace: Workspace, data: str) -> tuple[Commit, ...]:
    """Return the commits on all branches that changed the data's version, newest first."""
    text = git(
        workspace.root,
        *("log", "--exclude=refs/stash", "--all", "--no-color", "--no-ext-diff"),
        *(f"--unified={AROUND}", "--format=%x01%H%x00%cI%x00%s", "--patch"),
        *("--", f"{data}.dvc"),
    )
    found: list[Commit] = []
    for commit, when, subject, changes in COMMIT.findall(f"{text or ''}\n"):
        # Below the head of the one hunk that there is.
        lines = LINE.findall(changes.partition("\n@@")[2].partition("\n")[2])
        now = "\n".join(line for _, line in lines)
        pointer = parse_pointer(now)
        # A commit that notes something else of the same bytes makes no version.
        if pointer and any(mark == "+" and pointer.md5 in line for mark, line in lines):
            found.append(Commit(pointer.md5, commit, when, subject, parse_source(now)))
    return tuple(found)


def source_here(workspace: Workspace, data: str) -> Source | None:
    """Where the rows that DVC tracks in the workspace were fetched; None: nowhere."""
    pointer = pointer_of(workspace.inside(data))
    return parse_source(pointer.read_text(encoding="utf-8")) if pointer.is_file() else None


def number_of(workspace: Workspace, data: str, md5: str) -> str:
    """A version's name for people, counted in the order of commits: 'data v2'.

    One that was not committed yet is the next; '' where `md5` is ''.
    """
    if not md5:
        return ""
    known = list(dict.fromkeys(one.md5 for one in reversed(history(workspace, data))))
    return f"data v{known.index(md5) + 1 if md5 in known else len(known) + 1}"


def verified_file(workspace: Workspace, version: Version) -> Path:
    """Return the path of a version's verified bytes in DVC's cache, fetched if necessary.

    Raises:
        DataError: neither cache nor remote has them, or they have another digest.
        PawlError: the remote cannot be reached.
    """
    path = cache_path(workspace, version.md5, fetch=True)
    if not path.is_file():
        raise DataError(
            f"data version {version.label} (md5 {version.md5[:12]}) is neither in DVC's cache nor "
            "in its remote",
            rule="a version can be restored as long as one of the two holds its bytes",
            remedy="`dvc push --all-commits` on the machine that has it, then again here",
        )
    refuse_other_bytes(path, version)
    return path


def refuse_other_bytes(path: Path, version: Version) -> None:
    """Refuse a file with another digest than the version's; raises `DataError`."""
    digests = [("md5", version.md5, digest_md5), ("sha256", version.sha256, digest_file)]
    for name, digest, digest_of in digests:
        if digest is not None and (actual := digest_of(path)) != digest:
            raise DataError(
                f"DVC's copy of data version {version.label} has {name} {actual[:12]}",
                rule=f"the record says {digest[:12]}",
                remedy="if its cache was damaged, remove that file and fetch it again: "
                f"{path}, `dvc pull`",
            )


def refuse_loss(workspace: Workspace, data: str, *, coming: str) -> None:
    """Refuse to replace the data file unless DVC's cache can restore it, or `coming` equals it.

    A tracked file that the cache lacks is added to it first. `coming` is the new file's md5.

    Raises:
        UsageError: the file is not the version that DVC tracks.
    """
    target = workspace.inside(data)
    if not target.exists() or (current := digest_md5(target)) == coming:
        return
    if current != tracked_md5(workspace, data):
        raise UsageError(
            f"{data} holds rows that DVC does not track (md5 {current[:12]})",
            rule=NO_LOSS,
            remedy=f"add them as a version: `pawl data add {data}`; or drop them: "
            f"`dvc checkout --force {data}.dvc`",
        )
    cached = cache_path(workspace, current)
    if not cached.is_file() or digest_md5(cached) != current:
        cached.unlink(missing_ok=True)
        track(workspace, data)


def track(workspace: Workspace, data: str) -> list[str]:
    """Track the data file, which stays in place, with DVC; return the files to commit to git."""
    ignored = workspace.inside(data).with_name(".gitignore")
    before = ignored.read_bytes() if ignored.is_file() else b""
    with open_dvc(workspace) as repo:
        # Relinking would remove the file and link it to the cache; a crash between would lose it.
        repo.add(str(workspace.inside(data)), relink=False)
    changed = ignored.is_file() and ignored.read_bytes() != before
    files = [f"{data}.dvc"]
    return [*files, ignored.relative_to(workspace.root).as_posix()] if changed else files


def commit(workspace: Workspace, files: list[str], message: str) -> str | None:
    """Commit only these files; return the commit, or None if nothing had changed."""
    rule = "the rows are in place and DVC tracks them; only the commit is missing"
    remedy = f"read git's message, then commit {', '.join(files)} yourself"
    run(workspace.root, "git", "add", "--", *files, rule=rule, remedy=remedy)
    if not git(workspace.root, "status", "--porcelain", "--", *files):
        return None
    command = ("git", "commit", "--quiet", "--only", "--message", message, "--", *files)
    run(workspace.root, *command, rule=rule, remedy=remedy)
    return git(workspace.root, "rev-parse", "HEAD")
