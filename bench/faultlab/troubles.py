"""A full disk and a locked database: a clear error, nothing lost, and the next run converges."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from random import Random

from faultlab.episodes import EPISODES, FIRST, Episode, episodes
from faultlab.kills import Tally
from faultlab.lab import attempt, clock, limited
from pawl.errors import PawlError, disk_full_error

# Bytes that a file may have: nothing, a tag, a manifest, a report.
SIZES = (0, 100, 600, 1_500, 6_000)
# By so many bytes may the database grow: the operation ends somewhere on its way.
GROWTH = (0, 4_096, 8_192, 12_288, 20_480, 40_960)
LOCKED = 30.0
SAID = ("succeeded all the same", "ended with a clear error")


def fill_disks(root: Path, *, faults: int, seed: int, seconds: float) -> Tally:
    """Take operations on a disk that takes files up to a drawn size only."""
    end, draw, tally = clock() + seconds, Random(seed), Tally()
    for episode in islice(episodes(root, draw), faults):
        if clock() >= end:
            break
        before = episode.sums()
        database = (episode.folder / ".pawl" / "mlflow.db").stat().st_size
        size = draw.choice([*SIZES, *(database + growth for growth in GROWTH)])
        wrong = _tried(episode, tally, lambda size=size: limited(size))
        wrong += episode.check() + episode.settle(before)
        tally.tell(f"episode {episode.number}, {episode.kind}, {size} bytes a file", wrong)
        if episode.number % EPISODES == 0:
            print(f"full disk: {dict(tally.kills)}, {len(tally.violations)} violations", flush=True)
    return tally


def lock_stores(root: Path, *, faults: int, seed: int, seconds: float) -> Tally:
    """Take operations while somebody else holds the SQLite file for half a minute."""
    end, draw, tally = clock() + seconds, Random(seed), Tally()
    for episode in islice(episodes(root, draw), faults + FIRST):
        if clock() >= end:
            break
        if episode.number % EPISODES < FIRST:
            # Only with champions there is something to promote and to roll back.
            attempt(episode.act)
            continue
        before = episode.sums()
        holder = _hold(episode.folder / ".pawl" / "mlflow.db")
        wrong = _tried(episode, tally, nullcontext)
        os.waitpid(holder, 0)
        wrong += episode.check() + episode.settle(before)
        tally.tell(f"episode {episode.number}, {episode.kind}, locked", wrong)
        print(f"locked: {dict(tally.kills)}, {len(tally.violations)} violations", flush=True)
    return tally


def _tried(
    episode: Episode, tally: Tally, trouble: Callable[[], AbstractContextManager[None]]
) -> list[str]:
    """Take the operation in trouble; what was wrong with how it ended."""

    def act() -> list[str] | None:
        try:
            with trouble():
                episode.act()
        except (PawlError, OSError) as error:
            # As the command line does with what no room has put into words.
            said = error if isinstance(error, PawlError) else disk_full_error(error)
            if said is None:
                raise
            return [said.found, said.rule, said.remedy]
        return None

    try:
        said = attempt(act)[1]
    except RuntimeError as error:
        return [f"no clear error: {error}"]
    tally.kills[f"{episode.kind} {SAID[said is not None]}"] += 1
    return [] if said is None or all(said) else [f"an error without its rule or remedy: {said}"]


def _hold(path: Path) -> int:
    """Hold a SQLite file in a process of its own; returns once it is held."""
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            pipe.read(1)
        return child
    code = 1
    try:
        held = sqlite3.connect(path, isolation_level=None, timeout=60)
        held.execute("BEGIN EXCLUSIVE")
        os.write(write, b".")
        time.sleep(LOCKED)
        held.execute("COMMIT")
        code = 0
    finally:
        os._exit(code)
