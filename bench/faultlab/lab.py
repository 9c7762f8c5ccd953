"""Processes that die on purpose, and what is asked of the record after each death.

Importing MLflow takes seconds, so the bench imports once and forks for each attempt. The parent
never opens a store: no connection crosses a fork.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import auditor

import pawl.cycle.conclude  # noqa: F401 - `arm` looks for holders among the loaded modules
from pawl.release.history import history
from pawl.workspace.names import workspace_name
from pawl.workspace.paths import Workspace

# Where a process dies: before or after the nth call of one of these.
POINTS = (
    "pawl.core.files.write_text",
    "pawl.core.files._take_place",
    "pawl.core.files._sync",
    "pawl.core.files.discard",
    "pawl.cycle.outbox.post_order",
    "pawl.store.runs.open_run",
    "pawl.store.runs.log_evidence",
    "pawl.store.versions.register",
    "pawl.release.local_copies.local_copy",
    "pawl.ledger.ledger.append",
    "pawl.store.registry.add_version",
    "pawl.store.registry.set_alias",
    "pawl.store.cycle_runs.close_run",
)


@dataclass(frozen=True)
class Crash:
    """A death: at a point's nth call, or (no point) after `seconds`."""

    point: str | None
    after: bool = False
    nth: int = 1
    seconds: float = 0.0

    @property
    def says(self) -> str:
        """When, in words."""
        if self.point is None:
            return f"at {self.seconds:.2f} s"
        return f"{'after' if self.after else 'before'} {self.nth} of {self.point}"


def draw_crash(draw: Random, *, seconds: float, points: tuple[str, ...] = POINTS) -> Crash:
    """Half at a named point, half at a random moment of an act that lasts `seconds`."""
    if draw.random() < 0.5:
        return Crash(draw.choice(points), draw.random() < 0.5, draw.choice((1, 1, 2, 3)))
    return Crash(None, seconds=draw.uniform(0.0, seconds))


def warm() -> None:
    """Import once what every fork would import anew. No store is opened."""
    import mlflow.store.db.utils
    import mlflow.store.model_registry.sqlalchemy_store
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
    from sqlalchemy.orm import configure_mappers

    configure_mappers()


def attempt(act: Callable[[], Any], crash: Crash | None = None) -> tuple[bool, Any]:
    """Run `act` in a fork; (True, its JSON answer), or (False, None) where it was killed.

    Raises:
        RuntimeError: it ended by itself, but not well.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        _child(act, crash, write)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return False, None
    if status != 0:
        raise RuntimeError(f"an attempt ended with status {status}: {said}")
    return True, json.loads(said)


def _child(act: Callable[[], Any], crash: Crash | None, write: int) -> None:
    code = 1
    try:
        if crash is not None:
            arm(crash)
        os.write(write, json.dumps(act()).encode())
        code = 0
    except BaseException:  # noqa: BLE001 - a fork must never return into its parent's code
        os.write(write, traceback.format_exc()[-3000:].encode())
    finally:
        os._exit(code)


def arm(crash: Crash) -> None:
    """Make this process die as `crash` says: by SIGKILL, so that nothing is tidied up."""
    if crash.point is None:
        timer = threading.Timer(crash.seconds, die)
        timer.daemon = True
        timer.start()
        return
    module, name = crash.point.rsplit(".", 1)
    real = getattr(importlib.import_module(module), name)
    calls = 0

    @functools.wraps(real)
    def deadly(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == crash.nth and not crash.after:
            die()
        answer = real(*args, **kwargs)
        if calls == crash.nth:
            die()
        return answer

    # Modules import functions by name: each holder of the real one gets the deadly one.
    for holder in [m for n, m in sys.modules.items() if n.startswith("pawl.")]:
        for key, value in list(vars(holder).items()):
            if value is real:
                setattr(holder, key, deadly)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Acks:
    """The file of what commands were told; a line is written in one piece."""

    path: Path

    def tell(self, event: str, task: str, why: str, champion: Any = None, **more: Any) -> None:
        said: dict[str, Any] = {"event": event, "task": task, "why": why, **more}
        if champion is not None:
            said |= {"version": champion.version, "digest": champion.digest}
        with unlimited():
            self._write(said)

    def _write(self, said: dict[str, Any]) -> None:
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, (json.dumps(said) + "\n").encode())
        os.close(handle)


@contextmanager
def limited(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes: to who writes, the disk is full."""
    # The signal kills; ignored, the write fails as on a full disk.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


@contextmanager
def unlimited() -> Iterator[None]:
    """What the bench itself writes is not part of the fault."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (before[1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def check(
    uri: str, task: str, acks: Acks, *, settled: bool, workspace: Workspace | None = None
) -> list[str]:
    """The auditor's violations; with a workspace, by its public keys and remembered heads too."""
    if not acks.path.exists():
        acks.path.touch()
    known = {} if workspace is None else _witnesses(workspace)
    found: list[str] = auditor.check(uri, task, acks=acks.path, settled=settled, **known)
    return found


def _witnesses(workspace: Workspace) -> dict[str, Any]:
    """What the auditor tells by and no store has: the name, public keys and remembered heads."""
    keys, heads = workspace.root / "pawl.pub", workspace.home / "keys" / "heads"
    name: dict[str, Any] = {"workspace": workspace_name(workspace)}
    if not keys.exists():
        return name
    return {**name, "keys": keys, "heads": [heads] if heads.exists() else []}


def counts(store: Any, task: str, why: str) -> bool:
    """Whether a release with this reason is on record: what a person looks up after a crash."""
    return any(row.why == why for row in history(store, task))


def clock() -> float:
    return time.monotonic()
