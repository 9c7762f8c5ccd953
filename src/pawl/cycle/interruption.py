"""A cycle that is asked to end: one sentence on what is saved and what to type to go on."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from pawl.cycle.outbox import trained_since, waiting_orders
from pawl.errors import InterruptedRunError, PawlError, StoppedError, TerminatedRunError
from pawl.workspace.paths import Workspace
from pawl.workspace.stages import read_failure


class _Sigterm(KeyboardInterrupt):
    """SIGTERM, raised like Ctrl-C."""


@contextmanager
def interruptible(workspace: Workspace, task: str, *, again: str) -> Iterator[None]:
    """Within this, Ctrl-C and SIGTERM end the block; `again` is the command that goes on.

    Raises:
        InterruptedRunError: Ctrl-C, or SIGTERM (`TerminatedRunError`); it says what is saved.
    """
    start = time.time()
    try:
        with _sigterm_raises():
            yield
    except KeyboardInterrupt as stop:
        kind = TerminatedRunError if isinstance(stop, _Sigterm) else InterruptedRunError
        raise kind(
            f"interrupted: {_saved(workspace, task, start)}; `{again}` goes on from there"
        ) from stop


def _saved(workspace: Workspace, task: str, start: float) -> str:
    if waiting_orders(workspace, task):
        return "the judged adapter and its evidence wait in .pawl/outbox"
    with suppress(PawlError):
        if isinstance(failure := read_failure(workspace, task), StoppedError):
            return f"{failure.found}, and a checkpoint is saved"
    if trained_since(workspace, task, start):
        return "the adapter is trained, and not judged yet"
    return "what was finished is saved"


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    # Prefect handles SIGTERM while a flow runs, then sends it again to the handler of before.
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_signal: int, _frame: FrameType | None) -> None:
        raise _Sigterm

    previous = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
