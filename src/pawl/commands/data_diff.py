"""`pawl data diff`: how the rows of two data versions differ, and what the check finds in each."""

from __future__ import annotations

from dataclasses import dataclass

from pawl.commands.data_version import HERE, OpenStore, resolve
from pawl.config.schema import Task
from pawl.data.read.examples import Rows, read_examples
from pawl.data.versions.compare import compare_rows, rule_counts
from pawl.data.versions.dvc_versions import Version, verified_file
from pawl.errors import BaseError, DataError
from pawl.report.data_versions import DataDiff, DataSide
from pawl.workspace.paths import Workspace
from pawl.workspace.task_inputs import data_file


@dataclass(frozen=True)
class _Side:
    """One version with its rows and, by rule, how many rows the check finds."""

    version: Version
    rows: Rows
    counts: dict[str, int]
    unruled: str | None

    def summary(self) -> DataSide:
        version, rows = self.version, self.rows
        return DataSide(version.label, version.md5, len(rows.examples), rows.bad, self.unruled)


def diff(
    workspace: Workspace, store: OpenStore, task: str, a: str, b: str, *, ruled: bool = True
) -> DataDiff:
    """Compare the rows of version `a` with those of `b`; with `ruled`, run the check's rules too.

    Raises:
        UsageError: no data version has such a name.
        DataError: a version cannot be restored, or none of its rows can be read.
        RegistryError: the store is needed for a name and cannot be reached.
    """
    section = workspace.task(task)
    versions = [resolve(workspace, store, task, name) for name in (a, b)]
    read = [_rows(workspace, section, version) for version in versions]
    before, after = (
        _side(workspace, section, version, rows, ruled=ruled)
        for version, rows in zip(versions, read, strict=True)
    )
    changes = compare_rows(before.rows.examples, after.rows.examples)
    return DataDiff(
        task=task,
        a=before.summary(),
        b=after.summary(),
        added=changes.added,
        removed=changes.removed,
        relabelled=changes.relabelled,
        moved=changes.moved,
        touched=changes.touched,
        rules={
            name: {
                key: side.counts[name]
                for key, side in (("before", before), ("after", after))
                if name in side.counts
            }
            for name in dict.fromkeys([*before.counts, *after.counts])
        },
    )


def _rows(workspace: Workspace, section: Task, version: Version) -> Rows:
    """All readable rows, however many are not: a comparison shall show that too."""
    here = version.label == HERE
    path = data_file(workspace, section) if here else verified_file(workspace, version)
    return read_examples(path, section.data, drop=1.0)


def _side(
    workspace: Workspace, section: Task, version: Version, rows: Rows, *, ruled: bool
) -> _Side:
    """A version with its rules' counts, or why they could not be run: rows are compared anyway."""
    if not ruled:
        return _Side(version, rows, {}, None)
    try:
        return _Side(version, rows, rule_counts(workspace, section, rows.examples), None)
    except (DataError, BaseError) as error:
        return _Side(version, rows, {}, error.found)
