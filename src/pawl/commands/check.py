"""`pawl check`: run the check stage and, on request, propose a cleaned copy of the data."""

from __future__ import annotations

from dataclasses import dataclass

from pawl.core.records import CheckReport, FixReport
from pawl.cycle.champion_profile import snapshot_profile
from pawl.data.report.check_summary import read_check
from pawl.data.versions.fix import fix as propose_fix
from pawl.errors import DataError, RegistryError
from pawl.store.client import open_store
from pawl.workspace.paths import Workspace
from pawl.workspace.stages import reproduce


@dataclass(frozen=True)
class CheckResult:
    """The check's report, None where the data could not be read, and the proposed copy's, if any.

    `failed` is the error that the check ended with, None if the data is fit for a cycle.
    """

    report: CheckReport | None
    fix: FixReport | None
    failed: DataError | None


def refresh_profile(workspace: Workspace, task: str) -> str | None:
    """Fetch the profile of the champion's data for the drift; None, or why the store has none."""
    try:
        snapshot_profile(workspace, open_store(workspace), task)
    except RegistryError as error:
        return error.found
    return None


def check(workspace: Workspace, task: str, *, fix: bool) -> CheckResult:
    """Run the check stage; with `fix`, propose a cleaned copy; the data itself is not changed.

    Raises:
        PawlError: the stage failed for another reason than the data.
    """
    failed = None
    try:
        reproduce(workspace, "check", task)
    except DataError as error:
        failed = error
    report = read_check(workspace, task)
    return CheckResult(report, propose_fix(workspace, task) if fix else None, failed)
