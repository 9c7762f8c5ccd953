"""From adapters to the data that made them and back, and the names by which data is called.

A version of the data is called by whatever a person has at hand: a registered version of the task
(`v3`), the beginning of an md5 or sha256, a git revision, or `workspace` for what lies there now.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pawl.config.schema import Task
from pawl.core.files import digest_md5
from pawl.core.records import to_json
from pawl.data.read.examples import Rows, read_examples
from pawl.data.versions.compare import difference, rules
from pawl.data.versions.tracked import Commit, Version, content, history, tracked, tracked_at
from pawl.errors import BaseError, DataError, UsageError
from pawl.ledger.state import read_state
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
Opened = Callable[[], Store]


def resolve(workspace: Workspace, store: Opened, task: str, name: str) -> Version:
    """The version of the data that a person calls `name`; the store is opened only if need be.

    Raises:
        UsageError: nothing is called so, or two things are.
        RegistryError: the store cannot be reached.
    """
    section = workspace.task(task)
    if name == HERE:
        return Version(HERE, digest_md5(data_file(workspace, section)))
    if number := REGISTERED.fullmatch(name):
        return _made_from(workspace, get(store(), task, int(number[1])))
    committed = tracked_at(workspace, section.data, name)
    found = {} if committed is None else {committed: Version(name, committed)}
    if DIGEST.fullmatch(name):
        tracks = (tracked(workspace, section.data), *_md5s(workspace, section.data))
        found |= {md5: Version(name, md5) for md5 in tracks if md5 and md5.startswith(name)}
        if not found:
            named = (one for one in versions(store(), task) if _called(one, name))
            found = {one.md5: one for one in (_made_from(workspace, one) for one in named)}
    if len(found) == 1:
        return next(iter(found.values()))
    raise UsageError(
        f"no data version of '{task}' is called '{name}'"
        if not found
        else f"'{name}' may be any of the data versions {', '.join(sorted(found))}",
        rule=NAMES,
        remedy=f"`pawl data log {task}` lists them",
    )


def diff(
    workspace: Workspace, store: Opened, task: str, a: str, b: str, *, ruled: bool = True
) -> dict[str, Any]:
    """How the rows called `b` differ from those called `a`, as JSON values.

    `a` and `b` {name, md5, rows, bad, unruled: why its rules could not be run, or None};
    `added`, `removed`, `touched`: ids; `relabelled` {id, was,
    before, after}; `moved` {id, was}; `rules`: what each rule of the check finds {before, after},
    absent where it could not be run.

    Raises:
        UsageError: nothing is called so.
        DataError: a version cannot be had, or none of its rows can be read.
        RegistryError: the store was asked for a name and cannot be reached.
    """
    section = workspace.task(task)
    named = [resolve(workspace, store, task, name) for name in (a, b)]
    sides = [(one, _rows(workspace, section, one)) for one in named]
    found = [_found(workspace, section, rows) if ruled else ({}, None) for _, rows in sides]
    told = [
        {"name": one.says, "md5": one.md5, "rows": len(rows.examples), "bad": rows.bad}
        | {"unruled": why}
        for (one, rows), (_, why) in zip(sides, found, strict=True)
    ]
    before, after = (counts for counts, _ in found)
    return {
        "task": task,
        "a": told[0],
        "b": told[1],
        **to_json(difference(*(rows.examples for _, rows in sides))),
        "rules": {
            name: {
                side: counts[name]
                for side, counts in (("before", before), ("after", after))
                if name in counts
            }
            for name in dict.fromkeys([*before, *after])
        },
    }


def lineage(workspace: Workspace, store: Store, task: str) -> dict[str, Any]:
    """What every version was made from, newest first, and back, as JSON values.

    `versions`: `version`, `champion`, `verdict`, `when`, `adapter` (digest), `commit` (of code and
    parameters), `rows` a split, `data` {sha256, md5, commit: that brought it first}, `restore` (a
    command); None for what was not recorded. `data`: the versions of the data, newest first:
    `md5`, `commit`, `when`, `subject` (None where uncommitted), `here`, `versions` made from it.

    Raises:
        RegistryError: the store cannot be reached.
    """
    data = workspace.task(task).data
    champion = read_state(store, task).champion.version
    known, commits = versions(store, task), history(workspace, data)
    # From newest to oldest: the oldest stays.
    first = {one.md5: one.commit for one in commits}
    return {
        "task": task,
        "champion": champion,
        "versions": [
            {
                "version": one.version,
                "champion": one.version == champion,
                "verdict": one.verdict,
                "when": one.when,
                "adapter": one.digest,
                "commit": one.commit,
                "rows": one.rows,
                "data": {
                    "sha256": one.data,
                    "md5": one.data_md5,
                    "commit": one.data_md5 and first.get(one.data_md5),
                },
                "restore": one.data_md5 and f"pawl data restore {task} v{one.version}",
            }
            for one in reversed(known)
        ],
        "data": _log(tracked(workspace, data), commits, known),
    }


def _log(
    here: str | None, commits: Sequence[Commit], known: Sequence[AdapterVersion]
) -> list[dict[str, Any]]:
    made: dict[str, list[int]] = {}
    for one in known:
        if one.data_md5:
            made.setdefault(one.data_md5, []).append(one.version)
    there = {commit.md5 for commit in commits}
    loose = [md5 for md5 in dict.fromkeys([here, *reversed(made)]) if md5 and md5 not in there]
    return [
        *(
            {"md5": md5, "commit": None, "when": None, "subject": None}
            | {"here": md5 == here, "versions": made.get(md5, [])}
            for md5 in loose
        ),
        *(
            {**to_json(one), "here": one.md5 == here, "versions": made.get(one.md5, [])}
            for one in commits
        ),
    ]


def _rows(workspace: Workspace, section: Task, version: Version) -> Rows:
    """All rows that can be read, however many cannot: whoever compares wants to see that."""
    here = version.says == HERE
    path = data_file(workspace, section) if here else content(workspace, version)
    return read_examples(path, section.data, drop=1.0)


def _found(workspace: Workspace, section: Task, rows: Rows) -> tuple[dict[str, int], str | None]:
    """What the rules find, or why they could not be run: the rows are compared all the same."""
    try:
        return rules(workspace, section, rows.examples), None
    except (DataError, BaseError) as error:
        return {}, error.found


def _made_from(workspace: Workspace, version: AdapterVersion) -> Version:
    """The data of a registered version; of an old one what its commit tracked, by its sha256."""
    data = workspace.task(version.task).data
    md5 = version.data_md5 or tracked_at(workspace, data, version.commit.removesuffix("-dirty"))
    if md5 is None:
        raise UsageError(
            f"version {version.version} of '{version.task}' does not say which data made it",
            rule="a version says so since DVC's md5 is recorded with it; before, its commit did",
            remedy=f"`pawl data log {version.task}` lists the versions of the data; it is the one "
            f"whose sha256 is {version.data}",
        )
    return Version(f"v{version.version}", md5, version.data)


def _md5s(workspace: Workspace, data: str) -> Iterator[str]:
    return (one.md5 for one in history(workspace, data))


def _called(version: AdapterVersion, name: str) -> bool:
    return version.data.startswith(name) or (version.data_md5 or "").startswith(name)
