"""The step log: the steps of the current training as JSON lines that others may follow.

The loop knows no tracker: it calls back after each step, and this callback appends a line and
flushes it. The first line is `{"training": …, "question": …, "steps": …}`, the last `{"end": …}`,
unless the training was killed. A dev loss has a line of its own, `{"dev_step": …, "dev_loss": …}`.
A resumed training continues its file, without the steps and dev losses that it repeats.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from pawl.core.files import write_text
from pawl.core.records import DevPoint, Point

GIB = 2**30


@contextmanager
def step_log(
    path: Path | None,
    *,
    fingerprint: str = "",
    steps: int | None = None,
    resumed: int = 0,
    evaluated: int = 0,
) -> Iterator[Callable[[Point | DevPoint], None]]:
    """Within this, the log is open; call the result with each step and each dev loss.

    A line has the fields of `Point`, `tokens_per_second`, `memory_gib` (CUDA: the peak so far; else
    this process's memory now) and `at`, the time in ms since 1970.

    Args:
        path: the file; None: no log.
        fingerprint: the training's fingerprint (the field `question`).
        steps: how many the training takes, None where that is not known.
        resumed: the step that the training resumes from, 0 for a new one.
        evaluated: the last step whose dev loss is known then, 0 if there is none.
    """
    if path is None:
        yield lambda _point: None
        return
    upto = {"step": resumed, "dev_step": evaluated}
    write_text(path, "".join(_first_lines(path, fingerprint, steps, upto)))
    with path.open("a", encoding="utf-8") as file:
        previous = time.perf_counter()

        def log(point: Point | DevPoint) -> None:
            nonlocal previous
            at = int(time.time() * 1000)
            if isinstance(point, DevPoint):
                _append(file, {"dev_step": point.step, "dev_loss": point.loss, "at": at})
                # What an evaluation takes is no part of the next step's pace.
                previous = time.perf_counter()
                return
            now = time.perf_counter()
            line = {
                **dataclasses.asdict(point),
                "tokens_per_second": round(point.tokens / (now - previous), 1),
                "memory_gib": round(_memory() / GIB, 3),
                "at": at,
            }
            previous = now
            _append(file, line)

        try:
            yield log
        except BaseException:
            _append(file, {"end": "FAILED"})
            raise
        _append(file, {"end": "FINISHED"})


def _first_lines(
    path: Path, fingerprint: str, steps: int | None, upto: dict[str, int]
) -> Iterator[str]:
    """The file's lines of this training up to the steps that it resumes from, or a new header."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
    # A line without its newline was being written when its writer was killed.
    whole = [line for line in lines if line.endswith("\n")]
    if upto["step"] and whole and json.loads(whole[0])["question"] == fingerprint:
        yield whole[0]
        for line in whole[1:]:
            value = json.loads(line)
            if any(value.get(key, math.inf) <= last for key, last in upto.items()):
                yield line
    else:
        head = {"training": uuid.uuid4().hex, "question": fingerprint, "steps": steps}
        yield json.dumps(head) + "\n"


def _append(file: TextIO, line: dict[str, Any]) -> None:
    file.write(json.dumps(line, allow_nan=False) + "\n")
    file.flush()


def _memory() -> int:
    """Bytes: CUDA's peak allocation, else this process's resident memory."""
    import psutil
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return int(psutil.Process().memory_info().rss)
