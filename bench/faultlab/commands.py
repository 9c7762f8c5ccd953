"""Faults in the whole command `pawl run`, with Prefect, DVC and the stages under it.

One workspace lives through many faults. Each hits a run at a drawn moment, up to `CHAIN` of them in
a row; then a run goes undisturbed to its end, and parameters change for the next cycle.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import psutil

from faultlab import stages
from faultlab.kills import Tally
from faultlab.lab import Acks, attempt, check, clock
from faultlab.stages import TASK
from pawl.cycle.outbox import read_order, waiting_orders
from pawl.ledger.ledger import entries
from pawl.model.adapter import read_adapter
from pawl.store.client import open_store
from pawl.store.versions import versions
from pawl.workspace.paths import Workspace

ROWS, CHAIN, FAULTS_EACH = 130, 4, 24
# Seconds: for a run that nobody disturbs, for one that was hit, and for what it had started.
LONG, ENDS, GONE = 1200.0, 60.0, 30.0
# What a run does, by the command line of the process that does it, in its order.
PHASES = ("", "prefect_app", "dvc repro", "pawl.data", "pawl.train", "pawl.evaluate", "pawl.gate")
TRAINS, DVC, SERVER = "pawl.train train", "-m dvc repro", "prefect_app"
STAGE = re.compile(r"-m pawl\.(data|train|evaluate|gate) ")
ENDED_WELL = (0, 3, 4)
# Enough training for a first champion, and few tokens to answer with.
EDITS = {
    "looks: 3": "looks: 400",
    "epochs: 3": "epochs: 4",
    "shots: 4": "shots: 1",
    "max_new_tokens: 64": "max_new_tokens: 44",
}
PAGES = ("Traceback (most recent call last)", "Error logging to API", "prefect._internal")


@dataclass
class Run:
    """One `pawl run`, started as a terminal starts it, and what was seen of it."""

    workspace: Workspace

    def __post_init__(self) -> None:
        logs = self.workspace.root.parent / f"{self.workspace.root.name}-logs"
        logs.mkdir(exist_ok=True)
        self.log = logs / f"{time.time_ns()}"
        with self.log.with_suffix(".out").open("wb") as out, self.log.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pawl", "run", TASK, "--json"],
                cwd=self.workspace.root,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                start_new_session=True,
                # A shell has what it starts in the background ignore Ctrl-C.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


@dataclass
class Lab:
    """A workspace, the cycles that ended in it, and what was wrong."""

    workspace: Workspace
    draw: Random
    cycles: int = 0
    took: float = 60.0
    wrong: list[str] = field(default_factory=list)

    def watch(self, until: Callable[[], bool], *, seconds: float) -> bool:
        """Wait, and see that nobody trains beside another; False where the time is up."""
        deadline = clock() + seconds
        while not until():
            trainings = [line for _, line in self.working() if TRAINS in line]
            if len(trainings) > 1:
                self.wrong.append(f"two trainings at once: {trainings}")
            if clock() >= deadline:
                return False
            time.sleep(0.15)
        return True

    def working(self) -> list[tuple[psutil.Process, str]]:
        """The processes at work in the workspace, with their command lines."""
        found = []
        for process in psutil.process_iter():
            with suppress(OSError, psutil.Error):
                here = Path(process.cwd()).is_relative_to(self.workspace.root)
                if here and process.status() != psutil.STATUS_ZOMBIE:
                    found.append((process, " ".join(process.cmdline())))
        return found

    def one(self, words: str) -> psutil.Process | None:
        """A process whose command line holds these words."""
        return next((process for process, line in self.working() if words in line), None)

    def reached(self, run: Run) -> bool:
        """Wait for a drawn moment of the run; False where it has ended before."""
        if self.draw.random() < 0.5:
            moment = clock() + self.draw.uniform(0.0, self.took)
            self.watch(lambda: run.ended or clock() >= moment, seconds=LONG)
        else:
            phase = self.draw.choice(PHASES)
            self.watch(lambda: run.ended or self.one(phase) is not None, seconds=LONG)
            moment = clock() + self.draw.uniform(0.0, 3.0)
            self.watch(lambda: run.ended or clock() >= moment, seconds=LONG)
        return not run.ended

    def change(self) -> None:
        """Another learning rate: the next cycle has something to train."""
        text = self.workspace.params_file.read_text(encoding="utf-8")
        rate = f"learning_rate: {0.002 + (self.cycles + 1) * 1e-5:.5f}"
        text = re.sub(r"learning_rate: [\d.e-]+", rate, text)
        self.workspace.params_file.write_text(text, encoding="utf-8")


def fault_commands(root: Path, *, faults: int, seed: int, seconds: float) -> Tally:
    """Disturb `pawl run` until so many faults have hit or time is up."""
    end, draw, tally = clock() + seconds, Random(seed), Tally()
    for number in itertools.count():
        lab = Lab(_make(root / str(number)), draw)
        hit = sum(tally.kills.values())
        for _ in _chains(lab, tally, until=min(hit + FAULTS_EACH, faults), end=end):
            done = sum(tally.kills.values())
            print(f"command: {done} faults, {tally.survived} runs ended by themselves, "
                  f"{len(tally.violations)} violations", flush=True)  # fmt: skip
        if sum(tally.kills.values()) >= faults or clock() >= end:
            return tally
        shutil.rmtree(root / str(number))
    raise AssertionError("the numbers do not end")


def _chains(lab: Lab, tally: Tally, *, until: int, end: float) -> Iterator[None]:
    """Some faults one after the other, then a run to its end; again, until so many have hit."""
    while sum(tally.kills.values()) < until and clock() < end:
        how = []
        for _ in range(lab.draw.randint(1, CHAIN)):
            fault = lab.draw.choice(list(FAULTS))
            hit = FAULTS[fault](lab)
            how.append(fault if hit else f"{fault} (too late)")
            if hit:
                tally.kills[fault] += 1
            else:
                tally.survived += 1
            tally.tell(f"{lab.workspace.root.name}, {how}", lab.wrong + _halves(lab))
            lab.wrong.clear()
            yield
        _end(lab)
        tally.tell(f"{lab.workspace.root.name}, the end after {how}", lab.wrong)
        lab.wrong.clear()


def _signal_group(lab: Lab, signum: signal.Signals, code: int) -> bool:
    run = Run(lab.workspace)
    if not lab.reached(run):
        return _ended_by_itself(lab, run)
    # Before the flow begins, and once it has ended, nothing is under way that could be told.
    under_way = lab.one(SERVER) is not None
    # As a terminal does: whoever left the group does not get it.
    os.killpg(run.process.pid, signum)
    # Python itself, not yet at Pawl's first line, dies of the signal, or with a traceback.
    codes = (code, *ENDED_WELL) if under_way else (code, -signum, *ENDED_WELL)
    _ends(lab, run, codes=codes, in_words=under_way)
    said = [line for line in re.split(r"[\r\n]", run.said) if line.startswith("interrupted: ")]
    if signum == signal.SIGINT and run.process.returncode == code and under_way != len(said):
        lab.wrong.append(f"not one sentence: {run.said[-2000:]}")
    return True


def _kill(lab: Lab) -> bool:
    return _signal_group(lab, signal.SIGKILL, -signal.SIGKILL)


def _ctrl_c(lab: Lab) -> bool:
    return _signal_group(lab, signal.SIGINT, 130)


def _sigterm(lab: Lab) -> bool:
    run = Run(lab.workspace)
    if not lab.reached(run):
        return _ended_by_itself(lab, run)
    run.process.terminate()
    # By itself before the flow begins: nothing is under way then.
    _ends(lab, run, codes=(143, -signal.SIGTERM, *ENDED_WELL))
    return True


def _kill_one(lab: Lab, words: str) -> bool:
    """SIGKILL one process under the command; the command itself must end in words."""
    run = Run(lab.workspace)
    lab.watch(lambda: run.ended or lab.one(words) is not None, seconds=LONG)
    moment = clock() + lab.draw.uniform(0.0, 6.0)
    lab.watch(lambda: run.ended or clock() >= moment, seconds=LONG)
    lab.watch(lambda: run.ended or lab.one(words) is not None, seconds=LONG)
    victim = lab.one(words)
    if run.ended or victim is None:
        return _ended_by_itself(lab, run)
    with suppress(psutil.Error):
        victim.kill()
    _ends(lab, run, codes=(1, *ENDED_WELL), seconds=LONG)
    return True


def _kill_dvc(lab: Lab) -> bool:
    return _kill_one(lab, DVC)


def _kill_training(lab: Lab) -> bool:
    return _kill_one(lab, TRAINS)


def _kill_evaluation(lab: Lab) -> bool:
    return _kill_one(lab, "pawl.evaluate evaluate")


def _kill_server(lab: Lab) -> bool:
    return _kill_one(lab, SERVER)


def _two(lab: Lab) -> bool:
    """A second run beside the first; half the time the first is killed while the second waits."""
    first = Run(lab.workspace)
    if not lab.reached(first):
        return _ended_by_itself(lab, first)
    second = Run(lab.workspace)
    if lab.draw.random() < 0.5:
        moment = clock() + lab.draw.uniform(0.0, lab.took / 2)
        lab.watch(lambda: first.ended or clock() >= moment, seconds=LONG)
        with suppress(ProcessLookupError):
            os.killpg(first.process.pid, signal.SIGKILL)
    for run, codes in ((first, (*ENDED_WELL, -signal.SIGKILL)), (second, ENDED_WELL)):
        _ends(lab, run, codes=codes, seconds=2 * LONG, alone=run is second)
    return True


FAULTS: dict[str, Callable[[Lab], bool]] = {
    "kill -9": _kill,
    "Ctrl-C": _ctrl_c,
    "SIGTERM": _sigterm,
    "DVC alone killed": _kill_dvc,
    "the training alone killed": _kill_training,
    "the evaluation alone killed": _kill_evaluation,
    "Prefect's server alone killed": _kill_server,
    "two runs at once": _two,
}


def _ends(
    lab: Lab,
    run: Run,
    *,
    codes: tuple[int, ...],
    seconds: float = ENDS,
    alone: bool = True,
    in_words: bool = True,
) -> None:
    """See that a run ends, as it should, and with all that it had started."""
    if not lab.watch(lambda: run.ended, seconds=seconds):
        lab.wrong.append(f"still runs after {seconds:.0f} s: {run.said[-1000:]}")
        os.killpg(run.process.pid, signal.SIGKILL)
        run.process.wait()
    elif run.process.returncode not in codes:
        lab.wrong.append(f"exit code {run.process.returncode}: {run.said[-3000:]}")
    elif in_words and (page := next((page for page in PAGES if page in run.said), None)):
        lab.wrong.append(f"a page of {page}: {run.said[-3000:]}")
    if alone and not lab.watch(lambda: not lab.working(), seconds=GONE):
        left = [line for _, line in lab.working()]
        lab.wrong.append(f"left alive {GONE:.0f} s after the end: {left}")
        for process, _ in lab.working():
            with suppress(psutil.Error):
                process.kill()


def _ended_by_itself(lab: Lab, run: Run) -> bool:
    _ends(lab, run, codes=ENDED_WELL)
    return False


def _end(lab: Lab) -> None:
    """An undisturbed run to the cycle's end, and what must hold then."""
    start, run = clock(), Run(lab.workspace)
    _ends(lab, run, codes=ENDED_WELL, seconds=LONG)
    lab.cycles += 1
    lab.took = clock() - start
    try:
        champion = json.loads(run.log.with_suffix(".out").read_text())["champion"]["version"]
    except (ValueError, KeyError, TypeError):
        lab.wrong.append(f"no cycle was printed: {run.said[-3000:]}")
        return
    words = ["verify" if champion else "status", TASK]
    done = subprocess.run(
        [sys.executable, "-m", "pawl", *words],
        cwd=lab.workspace.root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lab.wrong.append(f"`pawl {' '.join(words)}`: {done.stdout[-1500:]}{done.stderr[-1500:]}")
    try:
        lab.wrong += attempt(lambda: _settled(lab))[1]
    except RuntimeError as error:
        lab.wrong.append(f"the record cannot be read: {error}")
    lab.change()


def _settled(lab: Lab) -> list[str]:
    """In a fork. A cycle leaves one version and one look, however often it was disturbed."""
    store = open_store(lab.workspace)
    acks = Acks(lab.workspace.root.parent / "acks.jsonl")
    found = check(store.uri, TASK, acks, settled=True, workspace=lab.workspace)
    # Every cycle releases with the same words, and nobody notes who asked.
    wrong = [line for line in found if "the gate promoted it" not in line]
    counts = {
        "versions": len(versions(store, TASK)),
        "looks": sum(entry.kind == "look" for entry in entries(store, TASK)),
    }
    for what, count in counts.items():
        if count != lab.cycles:
            wrong.append(f"{count} {what} after {lab.cycles} cycles")
    if waiting := waiting_orders(lab.workspace, TASK):
        wrong.append(f"still in the outbox: {waiting}")
    return wrong


def _halves(lab: Lab) -> list[str]:
    """What is half-written right after a fault, in words."""
    files, wrong = lab.workspace.files(TASK), []
    temporary = re.compile(r"/\.[^/]*\.(new|old)-")
    for folder in (files.root, lab.workspace.outbox):
        for path in folder.rglob("*.json") if folder.is_dir() else ():
            if temporary.search(str(path)):
                # A killed writer's: the next one removes it.
                continue
            try:
                json.loads(path.read_text(encoding="utf-8"))
            except FileNotFoundError:
                continue
            except ValueError as error:
                wrong.append(f"half-written: {path}: {error}")
    checks: list[Callable[[], Any]] = [
        lambda order=order: read_order(order) for order in waiting_orders(lab.workspace, TASK)
    ]
    if files.adapter.is_dir():
        checks.append(lambda: read_adapter(files.adapter))
    for one in checks:
        try:
            one()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            wrong.append(f"half-written: {error}")
    return wrong


def _make(folder: Path) -> Workspace:
    """A workspace as a user makes one, with as few rows and steps as a cycle needs."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    attempt(lambda: stages.make(folder, rows=ROWS))
    workspace = Workspace(folder)
    text = workspace.params_file.read_text(encoding="utf-8")
    for old, new in EDITS.items():
        if old not in text:
            raise RuntimeError(f"{old} is not in {workspace.params_file}")
        text = text.replace(old, new)
    workspace.params_file.write_text(text, encoding="utf-8")
    return workspace
