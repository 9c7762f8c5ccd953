"""Stages: the door that each room opens to DVC, and the call that runs them in DVC's order.

A stage is a function of a workspace and a task. A stage that fails leaves what it said in
`build/<task>/error.json`, because DVC passes on neither the words nor the exit code.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pawl import errors
from pawl.core.files import write_json
from pawl.core.processes import _end, guarded
from pawl.core.records import read_record
from pawl.errors import PawlError, UsageError, full_disk
from pawl.workspace.environment import quiet_environment
from pawl.workspace.paths import Workspace, find_workspace

Stage = Callable[[Workspace, str], None]


@dataclass(frozen=True)
class Failure:
    """A `PawlError` that crossed a process border."""

    kind: str
    found: str
    rule: str
    remedy: str


def main(stages: Mapping[str, Stage]) -> None:
    """Run `python -m pawl.<room> STAGE TASK` and exit: 0, or the error's exit code."""
    if len(sys.argv) != 3 or sys.argv[1] not in stages:
        print(f"usage: python -m PACKAGE {{{','.join(stages)}}} TASK", file=sys.stderr)
        sys.exit(UsageError.exit_code)
    name, task = sys.argv[1:]
    workspace = find_workspace()
    os.environ.update(quiet_environment(workspace))
    try:
        try:
            stages[name](workspace, task)
        except OSError as error:
            if (said := full_disk(error)) is None:
                raise
            raise said from error
    except PawlError as error:
        print(f"{name} {task}: {error}", file=sys.stderr)
        failure = Failure(type(error).__name__, error.found, error.rule, error.remedy)
        # A full disk may not even take this; stderr has it all the same.
        with suppress(OSError):
            write_json(_failure_file(workspace, task), failure.__dict__)
        sys.exit(error.exit_code)
    finally:
        # What is loaded need not be searched for garbage before the process ends: a second.
        gc.freeze()


def reproduce(
    workspace: Workspace,
    stage: str,
    task: str,
    *,
    force: bool = False,
    timeout: float | None = None,
) -> None:
    """Have DVC bring one task's graph up to date as far as `stage`.

    The stages' output goes to this process's stderr. `force` runs that stage and all before
    it anew, even where nothing has changed. After `timeout` seconds DVC and its stages are ended.

    Raises:
        PawlError: what the failing stage said, with its own class and exit code; or the timeout.
        UsageError: a file that the task names leaves the workspace, or is no regular one.
    """
    section = workspace.task(task)
    for name in filter(None, (section.data, section.schema, section.prompt)):
        # Before DVC does: it reads a pipe for ever, and takes in what a link leads to.
        workspace.inside(name)
    forget_failure(workspace, task)
    command = [sys.executable, "-m", "dvc", "repro", "--quiet", f"{stage}@{task}"]
    if force:
        command += ["--force"]
    code = _run(workspace, command, timeout=timeout)
    if code == 0:
        return
    if (said := told_failure(workspace, task)) is not None:
        raise said
    raise PawlError(
        f"`dvc repro {stage}@{task}` ended with exit code {code}",
        rule="a stage ends with 0 or with a reason",
        remedy=f"run it by hand to see all it says: dvc repro -v {stage}@{task}",
    )


def forget_failure(workspace: Workspace, task: str) -> None:
    """From now on, what `told_failure` finds is news."""
    _failure_file(workspace, task).unlink(missing_ok=True)


def told_failure(workspace: Workspace, task: str) -> PawlError | None:
    """What a stage that failed said, None if none said anything."""
    failure = _failure_file(workspace, task)
    if not failure.exists():
        return None
    said = read_record(failure, Failure)
    kind: type[PawlError] = getattr(errors, said.kind, PawlError)
    return kind(said.found, rule=said.rule, remedy=said.remedy)


def _run(workspace: Workspace, command: list[str], *, timeout: float | None) -> int:
    """Run a command to its end and return its exit code; leaves no process behind."""
    # A session of its own: DVC starts stages through a shell, and ending DVC alone (timeout,
    # Ctrl-C, a cancelled flow) would leave a training running on nobody's behalf.
    process = subprocess.Popen(
        command,
        cwd=workspace.root,
        env=_environment(workspace),
        stdout=sys.stderr,
        start_new_session=True,
    )
    try:
        with guarded(-process.pid):
            return process.wait(timeout)
    except subprocess.TimeoutExpired as error:
        raise PawlError(
            f"`{' '.join(command[2:])}` ran longer than {timeout:.0f} s and was ended",
            rule="a stage ends within its timeout, set in flows/retrain.py",
            remedy="raise the timeout there, or train on fewer rows or epochs",
        ) from error
    finally:
        _end(process)


def _environment(workspace: Workspace) -> dict[str, str]:
    # dvc.yaml says `python`: that must be the interpreter that pawl itself runs in.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, **quiet_environment(workspace), "PATH": path}


def _failure_file(workspace: Workspace, task: str) -> Path:
    return workspace.files(task).root / "error.json"
