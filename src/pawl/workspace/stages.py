"""Stages: the entry point through which DVC runs one, and the call that has DVC run them.

A stage is a function of a workspace and a task. A stage that fails writes its error to
`build/<task>/error.json`, because DVC passes on neither the message nor the exit code.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

from pawl import errors
from pawl.core.files import write_json
from pawl.core.processes import DVC, QUIET, leave_git_hook, started
from pawl.core.records import read_record
from pawl.core.visible import guard_output
from pawl.errors import PawlError, StoppedError, UsageError, file_error
from pawl.workspace.dvc_calls import dvc_environment, recover
from pawl.workspace.dvc_locks import live_holders
from pawl.workspace.environment import quiet_environment
from pawl.workspace.lock import stage_lock
from pawl.workspace.paths import Workspace, find_workspace
from pawl.workspace.task_inputs import named_files
from pawl.workspace.tracked import refuse_other_data, unlink_from_cache

Stage = Callable[[Workspace, str], None]


@dataclass(frozen=True)
class Failure:
    """A `PawlError` of a stage's process, as `error.json` stores it."""

    kind: str
    found: str
    rule: str
    remedy: str


def main(stages: Mapping[str, Stage], *, within: tuple[str, ...] = ()) -> None:
    """Run `python -m pawl.<room> STAGE [TASK]` and exit: 0, or the error's exit code.

    DVC names the task in its variable DVC_STAGE (`check@tickets`): in a command that it gives to a
    shell, a task's name would be a part of that shell's program. Two stages of a task never run at
    once; those named in `within` run within another one.
    """
    guard_output()
    # A foreach stage in dvc.yaml is called STAGE@KEY; a task's name has no @.
    words = (*sys.argv[1:], os.environ.get("DVC_STAGE", "").partition("@")[2])[:2]
    if len(sys.argv) > 3 or words[0] not in stages or not words[-1]:
        print(f"usage: python -m PACKAGE {{{','.join(stages)}}} TASK", file=sys.stderr)
        sys.exit(UsageError.exit_code)
    name, task = words
    leave_git_hook()
    workspace = find_workspace()
    os.environ.update(quiet_environment(workspace))
    _refuse_unknown(workspace, name, task)
    try:
        try:
            with nullcontext() if name in within else stage_lock(workspace, task):
                unlink_from_cache(workspace.files(task).root)
                stages[name](workspace, task)
        except OSError as error:
            if (full := file_error(error)) is None:
                raise
            raise full from error
    except PawlError as error:
        if not isinstance(error, StoppedError):
            print(f"{name} {task}: {error}", file=sys.stderr)
        failure = Failure(type(error).__name__, error.found, error.rule, error.remedy)
        # This write may fail on a full disk; stderr has the message too.
        with suppress(OSError):
            write_json(_failure_file(workspace, task), failure.__dict__)
        sys.exit(error.exit_code)
    finally:
        # Spares the interpreter a last garbage collection, which takes a second.
        gc.freeze()


def reproduce(
    workspace: Workspace,
    stage: str,
    task: str,
    *,
    force: bool = False,
    timeout: float | None = None,
) -> None:
    """Have DVC bring one task's stages up to date, as far as `stage`; output goes to stderr.

    With `force` all of them run even if nothing has changed; after `timeout` seconds DVC and its
    stages are ended.

    Raises:
        PawlError: the failing stage's error, with its own class and exit code; or the timeout.
        UsageError: a file that the task names leaves the workspace, or is not a regular one.
        DataError: such a file is not there, or not what DVC's pointer says.
    """
    section = workspace.task(task)
    for name in named_files(section):
        # DVC would read a pipe for ever, and add the target of a link.
        workspace.inside(name)
    refuse_other_data(workspace, section)
    clear_failure(workspace, task)
    recover(workspace)
    words = ["repro", "--quiet", f"{stage}@{task}", *(["--force"] if force else [])]
    code = _run(workspace, words, timeout=timeout)
    if code == 0:
        unlink_from_cache(workspace.files(task).root)
        return
    if code < 0:
        # What its stages then said, asked to end, is not why.
        raise _killed(words, -code)
    raise read_failure(workspace, task) or _failed(workspace, words, code)


def _refuse_unknown(workspace: Workspace, stage: str, task: str) -> None:
    """End the process if `params.yaml` has no such task, before its name becomes a path."""
    try:
        workspace.task(task)
    except PawlError as error:
        print(f"{stage}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def clear_failure(workspace: Workspace, task: str) -> None:
    """Delete the error of an earlier run, so that `read_failure` returns only a new one."""
    _failure_file(workspace, task).unlink(missing_ok=True)


def read_failure(workspace: Workspace, task: str) -> PawlError | None:
    """The error that a failed stage has written, or None."""
    path = _failure_file(workspace, task)
    if not path.exists():
        return None
    failure = read_record(path, Failure)
    kind: type[PawlError] = getattr(errors, failure.kind, PawlError)
    return kind(failure.found, rule=failure.rule, remedy=failure.remedy)


def _run(workspace: Workspace, words: list[str], *, timeout: float | None) -> int:
    """Run DVC and return its exit code; leaves no process behind, however DVC or this one ends."""
    # dvc.yaml calls `python`: that must be the interpreter that pawl itself runs in.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    env = {**dvc_environment(workspace), "PATH": path}
    try:
        quiet = os.environ.get(QUIET)
        to: dict[str, Any] = {"stdout": DEVNULL if quiet else sys.stderr}
        to |= {"stderr": DEVNULL} if quiet else {}
        with started([*DVC, *words], cwd=workspace.root, env=env, **to) as dvc:
            return dvc.wait(timeout)
    except subprocess.TimeoutExpired as error:
        raise PawlError(
            f"`dvc {' '.join(words)}` ran longer than {timeout:.0f} s and was ended",
            rule="a stage ends within its timeout, set in flows/retrain.py",
            remedy="raise the timeout there, or train on fewer rows or epochs",
        ) from error


def _killed(words: list[str], signum: int) -> PawlError:
    name = signal.Signals(signum).name
    why = ": the kernel does so where memory runs out" if signum == signal.SIGKILL else ""
    return PawlError(
        f"`dvc {' '.join(words)}` was ended by {name}{why}",
        rule="when DVC is killed, what it started is ended; a training saves a checkpoint first",
        remedy="run the same command again: it goes on from there",
    )


def _failed(workspace: Workspace, words: list[str], code: int) -> PawlError:
    found = f"`dvc {' '.join(words)}` ended with exit code {code}"
    if holders := live_holders(workspace):
        return PawlError(
            f"{found}: {' and '.join(holders)} uses the same files",
            rule="DVC runs once at a time on a file",
            remedy="wait for it or end it, then run the same command again; where no such process "
            f"runs on any machine, delete {workspace.root}/.dvc/tmp/lock and rwlock",
        )
    return PawlError(
        found,
        rule="a stage ends with 0 or with an error",
        remedy=f"run it by hand to see all its output: dvc repro -v {words[2]}",
    )


def _failure_file(workspace: Workspace, task: str) -> Path:
    return workspace.files(task).error
