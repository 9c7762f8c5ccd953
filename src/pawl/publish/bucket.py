"""The target `s3`: versions and a name in a bucket, for servers that fetch what they load.

A bucket has no rename: a version's manifest, `pawl.json`, is written last, and a folder without it
is none yet. What lies there is verified as it comes back from there.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pawl.config.targets import BucketTarget
from pawl.core.files import json_text
from pawl.core.records import to_json
from pawl.core.records.publish import Pointer, Served
from pawl.errors import PublishError, UsageError
from pawl.model.adapter import FILES, MANIFEST
from pawl.publish.current import Current
from pawl.publish.place import hold, pointer, problem

# In this order: what a reader waits for comes last.
ORDER = (*FILES, MANIFEST)


def publish_bucket(current: Current, target: BucketTarget) -> list[Served]:
    """Have the champion in the bucket, verified as it comes back; then let the name mean it.

    Raises:
        UsageError: what DVC reads S3 with is not installed.
        PublishError: the bucket does not answer, or gives back something else.
        AdapterError, RegistryError: what was released does not verify, or cannot be fetched.
    """
    with _bucket(target) as files:
        new = _problem(current, files, target) is not None
        if new:
            _upload(current, files, target)
            if (found := _problem(current, files, target)) is not None:
                raise PublishError(
                    f"{target.url}/{current.name} is not what was written there: {found}",
                    rule="what is served is what was released: bytes and signature are checked as "
                    "they come back",
                    remedy="see who else writes to that bucket, then publish again",
                )
        if _named(files, target, current.task) != to_json(pointer(current)):
            text = json_text(to_json(pointer(current)))
            files.pipe_file(f"{target.url}/{current.task}.json", text.encode())
        _drop_retired(current, files, target)
        made = "written and verified there" if new else "verified there"
        return [_seen(current, files, target, f"bytes and signature {made}")]


def served_bucket(current: Current, target: BucketTarget) -> list[Served]:
    """What the bucket names, and whether that holds."""
    with _bucket(target) as files:
        return [_seen(current, files, target, "bytes and signature verified there")]


@contextmanager
def _bucket(target: BucketTarget) -> Iterator[Any]:
    """The files of S3; what goes wrong there is a `PublishError`."""
    try:
        import s3fs  # type: ignore[import-untyped]
    except ImportError as error:
        raise UsageError(
            f"S3 is not read here: {error}",
            rule="`kind: s3` needs the package by which DVC reads S3",
            remedy="`pip install 'dvc[s3]'`",
        ) from error
    # Nothing is remembered of what lay there before.
    files = s3fs.S3FileSystem(use_listings_cache=False, skip_instance_cache=True)
    try:
        yield files
    except Exception as error:
        if not (isinstance(error, OSError) or type(error).__module__.startswith("botocore")):
            raise
        raise PublishError(
            f"{target.label} cannot be used: {type(error).__name__}: {error}"[:400],
            rule="the bucket is there, and the environment's keys (AWS_*) may read and write it",
            remedy="mend that, then publish again",
        ) from error


def _seen(current: Current, files: Any, target: BucketTarget, says: str) -> Served:
    found = _named(files, target, current.task)
    if found is None:
        told = f"{target.url}/{current.task}.json names no version"
        return Served(target.label, None, False, told)
    served = str(found.get("served"))
    if found != to_json(pointer(current)):
        told = f"names {served}; {current.name} is champion"
        if served == current.name:
            told = f"names {served}, by another release than the last"
        return Served(target.label, served, False, told)
    if (wrong := _problem(current, files, target)) is not None:
        return Served(target.label, served, False, wrong)
    return Served(target.label, served, True, says)


def _problem(current: Current, files: Any, target: BucketTarget) -> str | None:
    """What is wrong with the champion's folder there, None where it is what was released."""
    there = f"{target.url}/{current.name}"
    names = {Path(name).name for name in files.find(there)}
    if MANIFEST not in names:
        return f"{there} is not there"
    if odd := sorted(names ^ {*ORDER}):
        return f"{there} has missing or unexpected files: {', '.join(odd)}"
    with tempfile.TemporaryDirectory(prefix="pawl-publish-") as scratch:
        place = Path(scratch)
        (place / current.name).mkdir()
        for name in ORDER:
            files.get_file(f"{there}/{name}", str(place / current.name / name))
        found = problem(current, current.champion, place)
    return found and found.replace(str(place), target.url)


def _upload(current: Current, files: Any, target: BucketTarget) -> None:
    with tempfile.TemporaryDirectory(prefix="pawl-publish-") as scratch:
        folder, _ = hold(current, current.champion, Path(scratch))
        there = f"{target.url}/{current.name}"
        _remove(files, there)
        for name in ORDER:
            files.put_file(str(folder / name), f"{there}/{name}")


def _named(files: Any, target: BucketTarget, task: str) -> Any:
    """The pointer in the bucket as JSON, None where there is none or it is unreadable."""
    try:
        found = json.loads(files.cat_file(f"{target.url}/{task}.json"))
    except (FileNotFoundError, ValueError):
        return None
    whole = isinstance(found, dict) and found.keys() >= Pointer.__annotations__.keys()
    return found if whole else None


def _drop_retired(current: Current, files: Any, target: BucketTarget) -> None:
    for entry in current.state.releases:
        if entry.new and current.state.retirement(entry.new):
            _remove(files, f"{target.url}/{current.name_of(entry.new)}")


def _remove(files: Any, folder: str) -> None:
    """Remove a version's folder, its manifest first: without it, it is none."""
    names = files.find(folder)
    for name in sorted(names, key=lambda path: not path.endswith(f"/{MANIFEST}")):
        files.rm_file(name)
