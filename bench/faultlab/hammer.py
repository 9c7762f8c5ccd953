"""Eight processes promote and roll back at once, die at random moments, and start again."""

from __future__ import annotations

import json
import os
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import workbench

from faultlab.lab import Acks, attempt, check, clock
from pawl.cycle.conclude import conclude
from pawl.cycle.snapshots import snapshot_champion
from pawl.errors import PawlError
from pawl.ledger.alias import project
from pawl.ledger.looks import reserve_look
from pawl.release.release import promote, rollback
from pawl.store.client import open_store
from pawl.workspace.paths import Workspace

PROCESSES, TASKS, VERSIONS = 8, 4, 4
# A real ledger has hundreds of entries, not tens of thousands: so many operations, then new tasks.
PER_ROUND = 1200
# A round that takes this long has come to a halt: that is a finding, whatever the record says.
PATIENCE = 1500.0
ENDED = ("done", "void", "refused", "failed")


@dataclass
class Hammered:
    """What came of it: operations by outcome, faults by kind, violations in words."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    checks: int = 0
    tasks: int = 0
    seconds: float = 0.0

    @property
    def ended(self) -> int:
        return sum(self.outcomes[how] for how in ENDED)


@dataclass(frozen=True)
class Target:
    """A store: under its faults for the workers, and `straight` for who sets up and checks.

    `fault` does the store some harm, where that does not happen by itself.
    """

    uri: str
    straight: str
    fault: Callable[[], None] | None = None


def hammer(root: Path, target: Target, *, operations: int, seed: int, seconds: float) -> Hammered:
    """Hammer the store until so many operations were answered, or time is up."""
    start, draw, total = clock(), Random(seed), Hammered()
    while total.ended < operations and clock() - start < seconds:
        number = total.tasks // TASKS
        left = seconds - (clock() - start)
        goal = min(PER_ROUND, operations - total.ended)
        round_ = _Round(root / f"round-{number}", target, draw, goal, left, before=total.ended)
        round_.run()
        total.outcomes += round_.outcomes()
        total.faults += round_.faults
        total.violations += round_.violations
        total.checks += round_.checks
        total.tasks += TASKS
        total.seconds = clock() - start
        print(f"round {number}: {_figures(total)}", flush=True)
    return total


def _figures(total: Hammered) -> str:
    said = ", ".join(f"{how} {total.outcomes[how]}" for how in ENDED)
    faults = ", ".join(f"{kind} {count}" for kind, count in total.faults.items())
    return (
        f"{total.ended} operations ({said}) in {total.seconds:.0f} s; {faults}; "
        f"{total.checks} checks, {len(total.violations)} violations"
    )


class _Round:
    """Some tasks of their own names, hammered for a while, then settled and checked."""

    def __init__(
        self, root: Path, target: Target, draw: Random, goal: int, seconds: float, *, before: int
    ) -> None:
        root.mkdir()
        self.root, self.target, self.draw, self.goal = root, target, draw, goal
        self.before = before
        self.until = clock() + min(seconds, PATIENCE)
        self.tasks = [f"{root.name}_{letter}".replace("-", "_") for letter in "abcdefgh"[:TASKS]]
        self.acks = Acks(root / "acks.jsonl")
        self.acks.path.touch()
        self.faults: Counter[str] = Counter()
        self.violations: list[str] = []
        self.checks = 0
        self._workers: list[int] = []

    def run(self) -> None:
        _at(self.target.straight)
        for task in self.tasks:
            attempt(lambda made=task: _prepare(self.root / made, made, self.acks))
        _at(self.target.uri)
        self._workers = [self._start() for _ in range(PROCESSES)]
        told = clock()
        while (ended := sum(self.outcomes()[how] for how in ENDED)) < self.goal:
            if clock() > self.until:
                break
            if clock() - told > 60:
                told = clock()
                print(f"  {self.before + ended} operations, {dict(self.faults)}", flush=True)
            time.sleep(self.draw.uniform(3.0, 8.0))
            self._fault()
        for worker in self._workers:
            self._kill(worker)
        # A request that was under way may still be carried out.
        time.sleep(2.0)
        _at(self.target.straight)
        for task in self.tasks:
            self._look(lambda made=task: self._settle(made))
        self._crashes()

    def outcomes(self) -> Counter[str]:
        lines = self.acks.path.read_text(encoding="utf-8").splitlines()
        told = [json.loads(line) for line in lines]
        return Counter(said.get("how", said["event"]) for said in told if "worker" in said)

    def _fault(self) -> None:
        """One fault, then the checker's word on the record while everybody holds still."""
        if self.target.fault is not None and self.draw.random() < 0.5:
            self.target.fault()
            self.faults["sessions broken"] += 1
            task = self.draw.choice(self.tasks)
        else:
            victim = self.draw.choice(self._workers)
            task = self._last_task(victim)
            self._kill(victim)
            self._workers.remove(victim)
            self._workers.append(self._start())
        # What a worker was told and what the checker reads must be of the same moment.
        for worker in self._workers:
            os.kill(worker, signal.SIGSTOP)
        _at(self.target.straight)
        self._look(lambda: check(self.target.straight, task, self.acks, settled=False))
        _at(self.target.uri)
        for worker in self._workers:
            os.kill(worker, signal.SIGCONT)

    def _look(self, look: Callable[[], list[str]]) -> None:
        self.checks += 1
        for line in attempt(look)[1]:
            self.violations.append(f"{self.root.name}: {line}")
            print(self.violations[-1], flush=True)

    def _settle(self, task: str) -> list[str]:
        """What a next command would do, then the checker's word."""
        project(open_store(Workspace(self.root / task)), task)
        return check(self.target.straight, task, self.acks, settled=True)

    def _crashes(self) -> None:
        """A worker may be killed, or told what is wrong; it must not fall over by itself."""
        for path in self.root.glob("crash-*.txt"):
            said = path.read_text(encoding="utf-8")
            self.violations.append(f"{self.root.name}: a worker crashed: {said[-300:]}")
            print(f"{self.root.name}: a worker crashed:\n{said}", flush=True)

    def _kill(self, worker: int) -> None:
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
        self.faults["workers killed"] += 1

    def _last_task(self, worker: int) -> str:
        lines = self.acks.path.read_text(encoding="utf-8").splitlines()
        told = (json.loads(line) for line in reversed(lines))
        mine = (said["task"] for said in told if said.get("worker") == worker)
        return next(mine, self.tasks[0])

    def _start(self) -> int:
        seed = self.draw.random()
        child = os.fork()
        if child:
            return child
        try:
            self._work(Random(seed))
        except BaseException:  # noqa: BLE001 - a fork must never return into its parent's code
            (self.root / f"crash-{os.getpid()}.txt").write_text(traceback.format_exc())
        finally:
            os._exit(1)

    def _work(self, draw: Random) -> None:
        """What each worker does: one operation after the other, as the package's user."""
        stores: dict[str, Any] = {}
        champion: dict[str, int | None] = {}
        while True:
            task = draw.choice(self.tasks)
            workspace = Workspace(self.root / task)
            try:
                stores[task] = stores.get(task) or open_store(workspace)
            except PawlError:
                # Nothing was asked yet: the next operation opens it.
                continue
            why, me = f"{task} {draw.getrandbits(60):x}", {"worker": os.getpid()}
            others = [v for v in range(1, VERSIONS + 1) if v != champion.get(task)]
            hand: dict[str, Any] = {"why": why, "who": "Bo"}
            self.acks.tell("asked", task, why, **me)
            try:
                if draw.random() < 0.4:
                    entry = rollback(workspace, stores[task], task, **hand)
                else:
                    version = draw.choice(others)
                    entry = promote(workspace, stores[task], task, version, override=True, **hand)
            except PawlError as error:
                void = "is void" in error.found
                # Void and refused is for good; where the store did not answer, nobody knows.
                how = "void" if void else "refused" if error.exit_code == 2 else "failed"
                event = "failed" if how == "failed" else "refused"
                self.acks.tell(event, task, why, how=how, says=str(error)[:300], **me)
                champion.pop(task, None)
                continue
            champion[task] = entry.new and entry.new.version
            self.acks.tell("done", task, why, entry.new, **me)


def _at(uri: str) -> None:
    os.environ["MLFLOW_TRACKING_URI"] = uri


def _prepare(folder: Path, task: str, acks: Acks) -> None:
    """A task with judged versions, the first of them champion."""
    workbench.TASK = task
    bench, why = workbench.make_bench(folder), f"{task} first"
    acks.tell("asked", task, why)
    for seed in range(VERSIONS):
        bench.train(seed)
        champion = snapshot_champion(bench.workspace, bench.store, task)
        look = reserve_look(bench.workspace, bench.store, task)
        bench.judge("reject" if seed else "promote", champion, look)
        conclude(bench.workspace, bench.store, task, question=f"q{seed}", who="Ada", why=why)
