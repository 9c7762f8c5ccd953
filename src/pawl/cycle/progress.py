"""What a cycle does, told as it does it: its steps, what they usually take, how the training goes.

It is told to the logger `LOG`: `pawl run` prints it on stderr, the flow adds it to its run's log in
Prefect. How long the steps of earlier cycles took on this machine lies in `.pawl/durations/`.
"""

from __future__ import annotations

import itertools
import logging
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from pawl.core.files import write_json
from pawl.core.jsonio import parse_text
from pawl.errors import PawlError
from pawl.store.live_run import StepLogReader, beside
from pawl.workspace.paths import Workspace

LOG = logging.getLogger("pawl.cycle")
# A record of the training under way: a terminal has its bar for that.
BAR = "pawl_bar"
# Cycles remembered of each step.
CYCLES = 5
# Seconds between two looks at the step log, and between two lines about it.
EVERY, LINES = 2.0, 20.0
# The last steps, whose pace tells what is left; fewer tell nothing.
WINDOW, LEAST = 40, 5


@contextmanager
def telling(tell: Callable[[str], None], *, bars: bool = True) -> Iterator[None]:
    """Within this, each line is told to `tell`; those about a training only if `bars`."""
    # Of each step Prefect says that it finished, in a line without a word on what it did.
    prefect = logging.getLogger("prefect.task_runs")
    handler = _Handler(tell, bars=bars)
    level = LOG.level
    LOG.setLevel(logging.INFO)
    LOG.addHandler(handler)
    prefect.addFilter(_says_something)
    try:
        yield
    finally:
        prefect.removeFilter(_says_something)
        LOG.removeHandler(handler)
        LOG.setLevel(level)


@contextmanager
def timed(workspace: Workspace, task: str, step: str) -> Iterator[None]:
    """Tell that a step begins, how long it usually takes, and how long it took."""
    earlier = durations(workspace, task)
    usual = earlier.get(step, ())
    LOG.info("%s%s", step, f": {span(min(usual), max(usual))}, by the last cycles" if usual else "")
    start = time.monotonic()
    yield
    seconds = time.monotonic() - start
    LOG.info("%s: done in %s", step, spoken(seconds))
    # What was up to date took no time worth knowing.
    if seconds >= 1:
        known = {**earlier, step: [*usual, round(seconds, 1)][-CYCLES:]}
        with suppress(OSError):
            write_json(workspace.durations(task), known)


def durations(workspace: Workspace, task: str) -> dict[str, list[float]]:
    """Seconds that each step of the last cycles took on this machine; empty where none is known."""
    try:
        known = parse_text(workspace.durations(task).read_text(encoding="utf-8"))
        return {str(step): [float(one) for one in taken] for step, taken in known.items()}
    except (OSError, PawlError, ValueError, TypeError, AttributeError):
        return {}  # of no consequence


@contextmanager
def training_told(workspace: Workspace, task: str) -> Iterator[None]:
    """Within this, the training's steps are told: loss, and the time that is left as a range."""
    with beside(partial(_follow, workspace, task), patience=EVERY * 2):
        yield


def left(steps: list[Mapping[str, Any]], total: int | None) -> tuple[float, float] | None:
    """Seconds that the rest may take, at the pace of the quicker and slower of the last steps.

    `steps` have `step` and `at` (ms since 1970). None where too few are known.
    """
    paces = [
        (later["at"] - earlier["at"]) / 1000 / max(later["step"] - earlier["step"], 1)
        for earlier, later in itertools.pairwise(steps)
    ]
    if total is None or len(paces) < LEAST:
        return None
    quick, _, slow = statistics.quantiles(paces, n=4, method="inclusive")
    rest = max(total - steps[-1]["step"], 0)
    return rest * quick, rest * slow


def span(low: float, high: float) -> str:
    """A range of seconds in words: '9 to 13 min'."""
    first, last = spoken(low), spoken(high)
    if first == last:
        return f"about {last}"
    number, _, unit = first.partition(" ")
    return f"{number if last.endswith(f' {unit}') else first} to {last}"


def spoken(seconds: float) -> str:
    """Seconds in words, as exact as people want them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


class _Handler(logging.Handler):
    def __init__(self, tell: Callable[[str], None], *, bars: bool) -> None:
        super().__init__()
        self._tell, self._bars = tell, bars

    def emit(self, record: logging.LogRecord) -> None:
        if self._bars or not getattr(record, BAR, False):
            self._tell(record.getMessage())


def _says_something(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("Finished in state Completed")


def _follow(workspace: Workspace, task: str, over: threading.Event) -> None:
    """Tell the steps in the step log until `over` is set."""
    log = StepLogReader(workspace.files(task).points)
    # What is there already is of an earlier training, or of the part before a resume.
    with suppress(OSError, ValueError):
        log.read()
    last: deque[Mapping[str, Any]] = deque(maxlen=WINDOW)
    told = 0.0
    ending = False
    while not ending:
        ending = over.wait(EVERY)
        try:
            new = log.read()
        except (OSError, ValueError):
            continue
        last.extend(new or ())
        if new and (ending or time.monotonic() - told >= LINES):
            told = time.monotonic()
            LOG.info("%s", _line(list(last), log.steps), extra={BAR: True})


def _line(steps: list[Mapping[str, Any]], total: int | None) -> str:
    newest = steps[-1]
    text = f"train: step {newest['step']}{f' of {total}' if total else ''}"
    text += f", loss {newest['loss']:.3f}, {newest['tokens_per_second']:,.0f} tokens/s"
    rest = left(steps, total)
    return f"{text}, {span(*rest)} left" if rest and rest[1] >= 1 else text
