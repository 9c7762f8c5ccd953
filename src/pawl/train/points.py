"""The steps of the training under way, as lines in a file that others may follow.

The loop knows no tracker: it tells a callback, and this one leaves a JSON line a step, flushed. The
first line is `{"training": …, "question": …}`, the last `{"end": …}`, unless the training was
killed. One that goes on from a checkpoint goes on with its file, less the steps taken again.
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
from pawl.train.loop import Point

GIB = 2**30


@contextmanager
def telling(
    path: Path | None, *, question: str = "", resumed: int = 0
) -> Iterator[Callable[[Point], None]]:
    """Yield what is to be told of each step.

    A line has the point's own numbers, `tokens_per_second`, `memory_gib` (CUDA: the peak so far;
    else this process's memory now) and `at`, the time in ms since 1970.

    Args:
        path: the file; None: nothing is left.
        question: what is being trained, by digest.
        resumed: the step that the training goes on from, 0: it begins.
    """
    if path is None:
        yield lambda _point: None
        return
    write_text(path, "".join(_so_far(path, question, resumed)))
    with path.open("a", encoding="utf-8") as file:
        then = time.perf_counter()

        def tell(point: Point) -> None:
            nonlocal then
            now = time.perf_counter()
            line = {
                **dataclasses.asdict(point),
                "tokens_per_second": round(point.tokens / (now - then), 1),
                "memory_gib": round(_memory() / GIB, 3),
                "at": int(time.time() * 1000),
            }
            then = now
            _add(file, line)

        try:
            yield tell
        except BaseException:
            _add(file, {"end": "FAILED"})
            raise
        _add(file, {"end": "FINISHED"})


def _so_far(path: Path, question: str, resumed: int) -> Iterator[str]:
    """The file's first lines: those of this training as far as `resumed`, or a new first one."""
    # A line without its end was being written when its writer was killed.
    there = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
    whole = [line for line in there if line.endswith("\n")]
    if resumed and whole and json.loads(whole[0])["question"] == question:
        yield whole[0]
        yield from (line for line in whole[1:] if json.loads(line).get("step", math.inf) <= resumed)
    else:
        yield json.dumps({"training": uuid.uuid4().hex, "question": question}) + "\n"


def _add(file: TextIO, line: dict[str, Any]) -> None:
    file.write(json.dumps(line, allow_nan=False) + "\n")
    file.flush()


def _memory() -> int:
    """Bytes."""
    import psutil
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return int(psutil.Process().memory_info().rss)
