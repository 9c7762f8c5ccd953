"""The names of data versions: a registered version, a digest, a git revision, or `workspace`.

`v3` is the data that version 3 of the task was trained on; a digest is the beginning of an md5 or
sha256; `workspace` is the file that is there now.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pawl.core.files import digest_md5
from pawl.data.versions.dvc_versions import Version, history, tracked_md5, tracked_md5_at
from pawl.errors import UsageError
from pawl.store.client import Store
from pawl.store.versions import AdapterVersion, get, versions
from pawl.workspace.paths import Workspace
from pawl.workspace.task_inputs import data_file

HERE = "workspace"
REGISTERED = re.compile(r"v(\d+)")
DIGEST = re.compile(r"[0-9a-f]{6,64}")
NAMES = (
    f"data is named by `{HERE}`, a registered version (`v3`), a git revision, or the beginning of "
    "its md5 or sha256 (6 digits or more)"
)
# Opening the store takes seconds, and most names need none.
OpenStore = Callable[[], Store]


def resolve(workspace: Workspace, store: OpenStore, task: str, name: str) -> Version:
    """Return the data version that `name` refers to; the store is opened only if needed.

    Raises:
        UsageError: no version has that name, or several do.
        RegistryError: the store cannot be reached.
    """
    section = workspace.task(task)
    if name == HERE:
        return Version(HERE, digest_md5(data_file(workspace, section)))
    if number := REGISTERED.fullmatch(name):
        return _trained_on(workspace, get(store(), task, int(number[1])))
    at_revision = tracked_md5_at(workspace, section.data, name)
    matches = {} if at_revision is None else {at_revision: Version(name, at_revision)}
    if DIGEST.fullmatch(name):
        committed = (one.md5 for one in history(workspace, section.data))
        md5s = (tracked_md5(workspace, section.data), *committed)
        matches |= {md5: Version(name, md5) for md5 in md5s if md5 and md5.startswith(name)}
        if not matches:
            named = (one for one in versions(store(), task) if _has_digest(one, name))
            matches = {one.md5: one for one in (_trained_on(workspace, one) for one in named)}
    if len(matches) == 1:
        return next(iter(matches.values()))
    raise UsageError(
        f"no data version of '{task}' is called '{name}'"
        if not matches
        else f"'{name}' may be any of the data versions {', '.join(sorted(matches))}",
        rule=NAMES,
        remedy=f"`pawl data log {task}` lists them",
    )


def _trained_on(workspace: Workspace, version: AdapterVersion) -> Version:
    """The data of a registered version; for an old one what its commit tracked, by its sha256."""
    data = workspace.task(version.task).data
    code = version.commit.removesuffix("-dirty")
    md5 = version.data_md5 or tracked_md5_at(workspace, data, code)
    if md5 is None:
        raise UsageError(
            f"version {version.version} of '{version.task}' has no record of its data",
            rule="a version's data is found by DVC's md5 recorded with it, or by its commit",
            remedy=f"`pawl data log {version.task}` lists the versions of the data; it is the one "
            f"whose sha256 is {version.data}",
        )
    return Version(f"v{version.version}", md5, version.data)


def _has_digest(version: AdapterVersion, name: str) -> bool:
    return version.data.startswith(name) or (version.data_md5 or "").startswith(name)
