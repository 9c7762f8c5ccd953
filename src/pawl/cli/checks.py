"""Commands over the data: check it, propose a cleaned copy."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from pawl.cli.app import Json, Task, app, workspace_of
from pawl.cli.commands import command
from pawl.cli.output import begin, console, print_json, say

if TYPE_CHECKING:
    from pawl.commands.check import CheckResult
    from pawl.workspace.paths import Workspace


@command(app, "data", "pawl check tickets --fix")
def check(
    task: Task,
    fix: Annotated[
        bool, typer.Option("--fix", help="Propose a cleaned copy; the data stays as it is.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check the data: what each rule found, and what to do."""
    from pawl.commands.check import check as run_check
    from pawl.commands.check import refresh_profile
    from pawl.core.records import to_json

    workspace = workspace_of(task)
    begin(f"checking the data of '{task}'", as_json=as_json)
    unreachable = refresh_profile(workspace, task)
    if unreachable:
        print(f"drift is against the last known champion: {unreachable}", file=sys.stderr)
    result = run_check(workspace, task, fix=fix)
    if not as_json:
        _show(workspace, task, result)
    elif result.report or result.fix:
        values = to_json(result.report) if result.report else {}
        print_json(values | ({"fix": result.fix} if result.fix else {}))
    if result.failed:
        raise result.failed


def _show(workspace: Workspace, task: str, result: CheckResult) -> None:
    from pawl.data.report.check_summary import DOCS, PAGE
    from pawl.report.check import show_check, show_fix

    files, terminal = workspace.files(task), console()
    if result.report:
        show_check(result.report, console=terminal)
        for words, name in (("as a page", PAGE), ("Data Docs", DOCS)):
            path = (files.check / name).resolve()
            if path.is_file():
                say(f"{words + ':':<11}{path.relative_to(workspace.root.resolve())}")
    if result.fix:
        folder = str(files.fixed.relative_to(workspace.root))
        show_fix(result.fix, folder=folder, console=terminal)
