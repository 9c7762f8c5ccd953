"""`pawl data diff`: how the rows of two data versions differ, and what the check finds in each."""

from __future__ import annotations

from pawl.commands.data_version import HERE, OpenStore, resolve
from pawl.config.schema import Task
from pawl.data.read.examples import Rows, read_examples
from pawl.data.versions.compare import compare_rows, rule_counts
from pawl.data.versions.dvc_versions import Version, verified_file
from pawl.errors import BaseError, DataError
from pawl.report.data_versions import DataDiff, DataSide
from pawl.workspace.paths import Workspace
from pawl.workspace.task_inputs import data_file


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
    counted = [_count(workspace, section, rows) if ruled else ({}, None) for rows in read]
    a_side, b_side = (
        DataSide(version.label, version.md5, len(rows.examples), rows.bad, unruled)
        for version, rows, (_, unruled) in zip(versions, read, counted, strict=True)
    )
    (before, _), (after, _) = counted
    rules = {
        name: {
            key: counts[name]
            for key, counts in (("before", before), ("after", after))
            if name in counts
        }
        for name in dict.fromkeys([*before, *after])
    }
    changes = compare_rows(read[0].examples, read[1].examples)
    return DataDiff(task=task, a=a_side, b=b_side, rules=rules, **vars(changes))


def _rows(workspace: Workspace, section: Task, version: Version) -> Rows:
    """All readable rows, however many are not: a comparison shall show that too."""
    here = version.label == HERE
    path = data_file(workspace, section) if here else verified_file(workspace, version)
    return read_examples(path, section.data, drop=1.0, check=section.check)


def _count(workspace: Workspace, section: Task, rows: Rows) -> tuple[dict[str, int], str | None]:
    """How many rows each rule finds, or why they could not be run: rows are compared anyway."""
    try:
        return rule_counts(workspace, section, rows.examples), None
    except (DataError, BaseError) as error:
        return {}, error.found
