"""Commands over the data: check it, propose a cleaned copy."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from pawl.cli.app import Json, Task, app, console, open_workspace, print_json, store_of

if TYPE_CHECKING:
    from pawl.core.records import CheckReport, FixReport
    from pawl.workspace.paths import Workspace


@app.command()
def check(
    task: Task,
    fix: Annotated[
        bool, typer.Option("--fix", help="Propose a cleaned copy; the data stays as it is.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check the task's data: what each rule found, its worst rows, what to do."""
    from pawl.data.report.check_summary import read_check
    from pawl.errors import DataError
    from pawl.workspace.stages import reproduce

    workspace = open_workspace(task)
    _bring_profile(workspace, task)
    failed = None
    try:
        reproduce(workspace, "check", task)
    except DataError as error:
        failed = error
    report = read_check(workspace, task)
    proposed = _fix(workspace, task) if fix else None
    if as_json:
        _print(report, proposed)
    else:
        _show(workspace, task, report, proposed)
    if failed:
        raise failed


def _bring_profile(workspace: Workspace, task: str) -> None:
    """The profile of the champion's data as it is now; a check does without the store."""
    from pawl.cycle.champion_profile import snapshot_profile
    from pawl.errors import RegistryError

    try:
        snapshot_profile(workspace, store_of(workspace), task)
    except RegistryError as error:
        print(f"drift is told against the champion known last: {error.found}", file=sys.stderr)


def _fix(workspace: Workspace, task: str) -> FixReport:
    from pawl.data.rules.secrets import secrets
    from pawl.data.versions.fix import fix

    return fix(workspace, task, hides=secrets)


def _print(report: CheckReport | None, proposed: FixReport | None) -> None:
    """The check's report, the copy's as `fix` in it; nothing where the data could not be read."""
    from pawl.core.records import to_json

    values = {} if report is None else to_json(report)
    if proposed is not None:
        values["fix"] = to_json(proposed)
    if values:
        print_json(values)


def _show(
    workspace: Workspace, task: str, report: CheckReport | None, proposed: FixReport | None
) -> None:
    from pawl.data.report.check_summary import DOCS, PAGE
    from pawl.report.check import show_check, show_fix

    files, to = workspace.files(task), console()
    if report is not None:
        show_check(report, console=to)
        for words, name in (("as a page", PAGE), ("Data Docs", DOCS)):
            path = (files.check / name).resolve()
            if path.is_file():
                print(f"{words + ':':<11}{path.relative_to(workspace.root.resolve())}")
    if proposed is not None:
        show_fix(proposed, folder=str(files.fixed.relative_to(workspace.root)), console=to)
