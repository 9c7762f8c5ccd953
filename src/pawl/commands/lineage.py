"""`pawl status --lineage`, `pawl data log`: from adapters to the data that made them, and back."""

from __future__ import annotations

from collections.abc import Sequence

from pawl.core.records.commands import DataOrigin, DataVersion, Lineage, Source, VersionOrigin
from pawl.data.versions.dvc_versions import Commit, history, source_here, tracked_md5
from pawl.ledger.state import read_state
from pawl.store.client import Store
from pawl.store.versions import AdapterVersion, versions
from pawl.workspace.paths import Workspace


def lineage(workspace: Workspace, store: Store, task: str) -> Lineage:
    """Return what every version was made from and which versions each data version made.

    Raises `RegistryError` if the store cannot be reached.
    """
    data = workspace.task(task).data
    champion = read_state(store, task).champion.version
    registered, commits = versions(store, task), history(workspace, data)
    # From newest to oldest: the oldest commit of each md5 stays.
    first = {commit.md5: commit.commit for commit in commits}
    return Lineage(
        task=task,
        champion=champion,
        versions=tuple(_origin(one, champion, first) for one in reversed(registered)),
        data=_data_versions(
            tracked_md5(workspace, data), source_here(workspace, data), commits, registered
        ),
    )


def _origin(one: AdapterVersion, champion: int | None, first: dict[str, str]) -> VersionOrigin:
    return VersionOrigin(
        version=one.version,
        champion=one.version == champion,
        verdict=one.verdict,
        when=one.when,
        adapter=one.digest,
        commit=one.commit,
        rows=one.rows,
        data=DataOrigin(one.data, one.data_md5, first.get(one.data_md5) if one.data_md5 else None),
        restore=f"pawl data restore {one.task} v{one.version}" if one.data_md5 else None,
    )


def _data_versions(
    here: str | None,
    source: Source | None,
    commits: Sequence[Commit],
    registered: Sequence[AdapterVersion],
) -> tuple[DataVersion, ...]:
    """The data versions, uncommitted ones first; `here` is the md5 tracked in the workspace, with
    its `source`."""
    made: dict[str, list[int]] = {}
    for one in registered:
        if one.data_md5:
            made.setdefault(one.data_md5, []).append(one.version)
    committed = {commit.md5 for commit in commits}
    loose = [md5 for md5 in dict.fromkeys([here, *reversed(made)]) if md5 and md5 not in committed]
    rows = [
        *((md5, None, None, None, source if md5 == here else None) for md5 in loose),
        *((one.md5, one.commit, one.when, one.subject, one.source) for one in commits),
    ]
    return tuple(
        DataVersion(md5, commit, when, subject, md5 == here, tuple(made.get(md5, ())), source)
        for md5, commit, when, subject, source in rows
    )
