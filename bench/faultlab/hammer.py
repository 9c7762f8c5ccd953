"""Eight processes promote and roll back at once, die at random moments, and start again."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import conftest

from faultlab.lab import Acks, attempt, check, clock
from pawl.errors import PawlError
from pawl.registry.alias import project
from pawl.registry.release import promote, rollback
from pawl.registry.snapshot import read_state
from pawl.registry.store import open_store
from pawl.registry.versions import versions
from pawl.workspace import Workspace

PROCESSES = 8
# Each operation reads what was written since its process last read: ledgers are kept short.
PER_TASK = 150


@dataclass(frozen=True)
class Hammered:
    """What came of it: operations by outcome, worker deaths, seconds, violations in words."""

    outcomes: Counter[str]
    deaths: int
    tasks: int
    seconds: float
    violations: list[str]


def hammer(
    root: Path, *, store: str, straight: str, operations: int, seed: int, seconds: float
) -> Hammered:
    """Hammer the store behind `store`, set up and checked over `straight`, without the faults."""
    start, draw, acks = clock(), Random(seed), Acks(root / "acks.jsonl")
    acks.path.touch()
    folders: list[Path] = []
    violations: list[str] = []
    deaths = 0
    while _done(acks) < operations and clock() - start < seconds:
        folder = root / f"round-{len(folders)}"
        _at(straight)
        attempt(lambda made=folder: _prepare(made, acks))
        _at(store)
        deaths += _round(folder, acks, draw, until=_done(acks) + PER_TASK)
        _at(straight)
        violations += attempt(lambda made=folder: _settle(made, acks, straight))[1]
        folders.append(folder)
        print(
            f"{_done(acks)} operations, {deaths} deaths, {len(violations)} violations", flush=True
        )
    return Hammered(_outcomes(acks), deaths, len(folders), clock() - start, violations)


def _at(uri: str) -> None:
    os.environ["MLFLOW_TRACKING_URI"] = uri


def _outcomes(acks: Acks) -> Counter[str]:
    lines = acks.path.read_text(encoding="utf-8").splitlines()
    return Counter(json.loads(line)["event"] for line in lines)


def _done(acks: Acks) -> int:
    told = _outcomes(acks)
    return told["done"] + told["refused"] + told["failed"]


def _prepare(folder: Path, acks: Acks) -> None:
    """A task of this round's own name with four judged versions, the first of them champion."""
    _rename(folder.name)
    bench = conftest.make_bench(folder)
    acks.tell("asked", _task(folder), f"{folder.name} first")
    for seed in range(4):
        champion = read_state(bench.store, _task(folder)).champion
        _judged(bench, seed, champion, first=seed == 0, why=f"{folder.name} first")


def _judged(bench: Any, seed: int, champion: Any, *, first: bool, why: str) -> None:
    from pawl.registry.cycles import conclude
    from pawl.registry.looks import reserve_look
    from pawl.registry.snapshot import snapshot_champion

    bench.train(seed)
    champion = snapshot_champion(bench.workspace, bench.store, conftest.TASK)
    look = reserve_look(bench.workspace, bench.store, conftest.TASK)
    bench.judge("promote" if first else "reject", champion, look)
    conclude(bench.workspace, bench.store, conftest.TASK, question=f"q{seed}", who="Ada", why=why)


def _rename(name: str) -> None:
    """Have the tests' hands work on a task of this name: one store serves all rounds."""
    conftest.TASK = name.replace("-", "_")


def _task(folder: Path) -> str:
    return folder.name.replace("-", "_")


def _round(folder: Path, acks: Acks, draw: Random, *, until: int) -> int:
    """Keep eight workers running, killing one now and then, until enough was done."""
    deaths = 0
    workers = {_start(folder, acks, draw.random()): None for _ in range(PROCESSES)}
    limit = clock() + 300
    while _done(acks) < until and clock() < limit:
        time.sleep(draw.uniform(1.0, 5.0))
        victim = draw.choice(list(workers))
        os.kill(victim, signal.SIGKILL)
        os.waitpid(victim, 0)
        del workers[victim]
        deaths += 1
        workers[_start(folder, acks, draw.random())] = None
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
    return deaths + len(workers)


def _start(folder: Path, acks: Acks, seed: float) -> int:
    child = os.fork()
    if child:
        return child
    try:
        _work(folder, acks, Random(seed))
    finally:
        os._exit(1)


def _work(folder: Path, acks: Acks, draw: Random) -> None:
    workspace, task = Workspace(folder), _task(folder)
    store = None
    while True:
        why = f"{folder.name} {draw.getrandbits(60):x}"
        asked = False
        try:
            store = store or open_store(workspace)
            now = read_state(store, task)
            known = [v for v in versions(store, task) if v.champion != now.champion]
            acks.tell("asked", task, why)
            asked = True
            if draw.random() < 0.5 and now.before() is not None:
                entry = rollback(workspace, store, task, why=why, who="Bo")
            else:
                version = draw.choice(known).version
                entry = promote(workspace, store, task, version, why=why, who="Bo", override=True)
            acks.tell("done", task, why, entry.new)
        except PawlError as error:
            if asked:
                # Void is refused for good; where the store did not answer, nobody knows.
                void = "is void" in error.found or error.exit_code == 2
                acks.tell("refused" if void else "failed", task, why)


def _settle(folder: Path, acks: Acks, straight: str) -> list[str]:
    """What a next command would do, then the checker's word."""
    store = open_store(Workspace(folder))
    project(store, _task(folder))
    found = check(straight, _task(folder), acks, settled=True)
    return [f"{folder.name}: {line}" for line in found]
