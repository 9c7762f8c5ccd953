"""A watch over a reader: what it may not do, how long it may take, how it may end.

The audit hook sees what Python code and C extensions report (opening, renaming, removing, sockets,
processes), not what C++ does by itself.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pawl.data.read.examples import read_examples
from pawl.errors import DataError

SECONDS = 10
MEMORY = 3 << 30
CHANGES = {
    "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate",
    "os.chmod", "os.chown", "os.utime", "os.setxattr", "os.removexattr", "shutil.rmtree",
}  # fmt: skip
ELSEWHERE = ("socket.", "os.exec", "os.spawn", "os.posix_spawn", "os.system", "os.startfile")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
UNPACKING = ("-P", "-m", "pawl.data.read.parquet_file")


class Breach(BaseException):
    """The reader did what it may not; no handler of the reader's may swallow it."""


@dataclass
class Tally:
    """What became of the inputs: how each ended, the longest, the most memory, and breaches."""

    part: str
    inputs: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    breaches: list[str] = field(default_factory=list)
    seconds: float = 0.0
    worst: float = 0.0
    peak_mib: int = 0

    def write(self, path: Path) -> None:
        """Leave it where the bench, another process, reads it."""
        self.peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


class Watch:
    """Reads inputs, one at a time, from a folder of its own, and keeps the tally.

    The alarm waits for C code to return; for what never does, who started the process has a clock.
    """

    def __init__(self, folder: Path, part: str) -> None:
        self.folder, self.tally = folder.resolve(), Tally(part)
        self._watching = False
        sys.addaudithook(self._hook)
        signal.signal(signal.SIGALRM, self._too_long)

    def bound(self) -> None:
        """The whole process may take no more than MEMORY from now on."""
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    def read(self, form: str, data: bytes, *, drop: float = 0.0) -> str:
        """How reading these bytes ends, in a word or two; raises `Breach` where it may not so."""
        path = self.folder / f"hostile{form}"
        path.write_bytes(data)
        begun = time.perf_counter()
        signal.alarm(SECONDS)
        self._watching = True
        try:
            end = outcome(path, drop)
        except Exception as error:
            raise Breach(f"{type(error).__name__}: {error}"[:300]) from error
        finally:
            self._watching = False
            signal.alarm(0)
            took = time.perf_counter() - begun
        tally = self.tally
        tally.inputs += 1
        tally.ends[end] = tally.ends.get(end, 0) + 1
        tally.seconds += took
        tally.worst = max(tally.worst, took)
        return end

    def _too_long(self, *_: Any) -> None:
        raise Breach(f"not through after {SECONDS} s")

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._watching:
            return
        if event == "open":
            if (args[2] or 0) & WRITING:
                self._inside(event, args[0])
        elif event in CHANGES:
            self._inside(event, args[0])
        elif event == "subprocess.Popen":
            if tuple(args[1][1:4]) != UNPACKING:
                raise Breach(f"{event} {args[1]}")
        elif event.startswith(ELSEWHERE):
            raise Breach(f"{event} {args!r:.200}")

    def _inside(self, event: str, name: Any) -> None:
        where = Path(os.fsdecode(name)) if isinstance(name, str | bytes | os.PathLike) else None
        if where == Path(os.devnull):
            return
        if where is None or not where.resolve().is_relative_to(self.folder):
            raise Breach(f"{event} {name!r:.200}")


def outcome(path: Path, drop: float) -> str:
    """`rows`, or the first reason told, without what differs from file to file."""
    try:
        found = read_examples(path, path.name, drop=drop)
    except DataError as error:
        if not (error.found and error.rule and error.remedy):
            raise Breach(f"an error without words: {error!r}") from error
        first = error.found.splitlines()[0]
        first = re.sub(r"^hostile\.[a-z.]+(:\d+)?:? ?|\(.*|'.*?'|0x\w+|U\+\w+|(?<!-)\d+", "", first)
        return " ".join(first.split())[:60] or "nothing"
    if not found.examples:
        raise Breach("neither rows nor words")
    return "rows, some left out" if found.bad else "rows"
