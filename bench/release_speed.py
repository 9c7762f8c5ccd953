"""How long do `pawl promote` and `pawl rollback` take, with the tracking artifacts deleted?

    python bench/release_speed.py [--mb 20] [--entries 2000] [--server] [--busy]

Two releases of adapters of `--mb` MB each; then the store's artifacts are deleted, so that all that
is left are the verified local copies. Timed are rollbacks in one process, and whole commands, the
import of MLflow included. `--entries` puts so many further entries into the ledger first,
`--server` puts an MLflow server on loopback in between (adapters then travel once through it).
`--busy` times whole rollbacks alone, beside two processes that do nothing but compute.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))

from tracking import Server  # noqa: E402
from workbench import TASK, Bench, make_bench, write_adapter  # noqa: E402

from pawl.cycle.snapshots import snapshot_champion  # noqa: E402
from pawl.ledger.ledger import append, entries  # noqa: E402
from pawl.ledger.looks import reserve_look  # noqa: E402
from pawl.ledger.state import read_state  # noqa: E402
from pawl.release.release import promote, rollback  # noqa: E402
from pawl.store.client import open_store  # noqa: E402

IN_PROCESS, COMMANDS, BUSY = 120, 10, 5


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--mb", type=float, default=20)
    words.add_argument("--entries", type=int, default=0)
    words.add_argument("--server", action="store_true")
    words.add_argument("--busy", action="store_true")
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as name, store_at(Path(name), server=asked.server) as where:
        bench = make_bench(Path(name) / "ws")
        for seed in (1, 2, 3):
            cycle(bench, seed, width=round(asked.mb * 1e6 / 16))
        fill(bench, asked.entries)
        shutil.rmtree(where)
        if asked.busy:
            measure_busy(bench)
            return
        seconds = [timed(lambda n=n: back(bench, n)) for n in range(IN_PROCESS)]
        reads = timed(lambda: entries(open_store(bench.workspace), TASK))
        print(f"ledger: {len(entries(bench.store, TASK))} entries, {reads:.2f} s to read all of it")
        print("| what | median, s | p99, s | max, s |\n|---|---:|---:|---:|")
        show(f"rollback, {IN_PROCESS} in one process", seconds)
        # Champion is version 2 or 1 by now; from 3 a rollback leads back to it.
        promoted, rolled = [], []
        for _ in range(COMMANDS):
            promoted.append(timed(lambda: pawl(bench, "promote", "3", "--override")))
            rolled.append(timed(lambda: pawl(bench, "rollback")))
        show(f"`pawl promote`, whole command, {COMMANDS}", promoted)
        show(f"`pawl rollback`, whole command, {COMMANDS}", rolled)


def measure_busy(bench: Bench) -> None:
    """Whole rollbacks beside two busy processes, and how busy the machine was without them."""
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    seconds, computing = [], []
    with ExitStack() as others:
        for _ in range(2):
            spin = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            others.callback(spin.wait)
            others.callback(spin.kill)
        for _ in range(BUSY):
            pawl(bench, "promote", "3", "--override")
            before = sum(os.times()[2:4])
            seconds.append(timed(lambda: pawl(bench, "rollback")))
            computing.append(sum(os.times()[2:4]) - before)
    print(f"load after: {os.getloadavg()[0]:.1f}, with two of its own")
    print("`pawl rollback`, whole command, beside two busy processes, s:")
    for what, values in {"passed": seconds, "of a core": computing}.items():
        each = ", ".join(f"{one:.2f}" for one in values)
        print(f"| {what} | {statistics.median(values):.2f} | {each} |")


def cycle(bench: Bench, seed: int, *, width: int) -> None:
    """Judge and register an adapter; 1 and 2 become champion, 3 is promoted by hand once."""
    write_adapter(bench.workspace.files(TASK).adapter, seed, width=width)
    champion = snapshot_champion(bench.workspace, bench.store, TASK)
    look = reserve_look(bench.workspace, bench.store, TASK)
    bench.judge("promote" if seed < 3 else "reject", champion, look)
    bench.conclude(f"question {seed}")
    if seed == 3:
        promote(bench.workspace, bench.store, TASK, 3, why="w", who="b", override=True)
        rollback(bench.workspace, bench.store, TASK, why="w", who="b")


def back(bench: Bench, number: int) -> None:
    to = 2 if number % 2 else 1
    rollback(bench.workspace, bench.store, TASK, why="measured", who="bench", to=to)


def fill(bench: Bench, count: int) -> None:
    """Looks at another split, so that no release follows from them."""
    champion = read_state(bench.store, TASK).champion
    for number in range(count):
        details = {"lineage": "other", "question": f"q{number}", "of": 1, "level": 0.0}
        append(
            bench.store,
            TASK,
            op_id=f"fill-{number}",
            kind="look",
            expected=champion,
            new=None,
            who="bench",
            why="to make the ledger long",
            details={**details, "alpha": 0.05, "since": 1, "rows": 100},
        )


@contextmanager
def store_at(folder: Path, *, server: bool) -> Iterator[Path]:
    """Where the artifacts will lie; with a server, the environment points at it meanwhile."""
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    if not server:
        yield folder / "ws" / ".pawl" / "artifacts"
        return
    one = Server(folder)
    one.start()
    os.environ["MLFLOW_TRACKING_URI"] = one.url
    try:
        yield folder / "remote"
    finally:
        one.kill()


def pawl(bench: Bench, *words: str) -> None:
    command, *rest = words
    root = str(bench.workspace.root)
    line = [sys.executable, "-m", "pawl", "-C", root, command, TASK, *rest, "--reason", "measured"]
    subprocess.run(line, check=True, capture_output=True)


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def show(what: str, seconds: list[float]) -> None:
    ordered = sorted(seconds)
    p99 = ordered[max(0, -(-len(ordered) * 99 // 100) - 1)]
    print(f"| {what} | {statistics.median(seconds):.2f} | {p99:.2f} | {ordered[-1]:.2f} |")


if __name__ == "__main__":
    main()
