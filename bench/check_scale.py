"""What a check costs with the number of rows: seconds, CPU seconds, peak memory.

    python bench/check_scale.py [--rows 10000 100000 1000000] [--runs 1]

Rows are those of `tickets` v2, drawn again and again, each with a reference of its own (300 bytes
a row). Each check is a process of its own, as DVC starts it; memory is what it and its workers hold
together at the worst moment (proportional set size, where pages are shared).
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
FILES = ("params.yaml", "data/tickets.schema.json", "data/tickets.prompt.md")


def main() -> None:
    """Print a line for each number of rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--runs", type=int, default=1)
    given = parser.parse_args()
    print("| rows | MB | seconds | CPU seconds | µs a row | peak MiB |\n" + "|---:" * 6 + "|")
    for rows in given.rows:
        with tempfile.TemporaryDirectory() as folder:
            size = _workspace(Path(folder), rows)
            runs = sorted(_run(Path(folder)) for _ in range(given.runs))
            wall, cpu, peak = (statistics.median(found) for found in zip(*runs, strict=True))
            spread = f" ({runs[0][0]:.1f} to {runs[-1][0]:.1f})" if len(runs) > 1 else ""
            print(
                f"| {rows:,} | {size / 1e6:.0f} | {wall:.1f}{spread} | {cpu:.1f} "
                f"| {cpu / rows * 1e6:.0f} | {peak / 2**20:,.0f} |",
                flush=True,
            )


def _workspace(folder: Path, rows: int) -> int:
    (folder / "data").mkdir()
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "base" / "tiny", folder / "base" / "tiny")
    source = (ROOT / "examples" / "tickets" / "v2.jsonl").read_text(encoding="utf-8")
    known = [json.loads(line) for line in source.split("\n") if line]
    draw = random.Random(1)
    path = folder / "data" / "tickets.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            row = draw.choice(known)
            made = {**row, "id": f"r-{number}", "prompt": f"{row['prompt']} Ref {number:x}"}
            file.write(json.dumps(made, ensure_ascii=False) + "\n")
    subprocess.run([sys.executable, "-m", "pawl.data", "inputs", "tickets"], cwd=folder, check=True)
    return path.stat().st_size


def _run(folder: Path) -> tuple[float, float, float]:
    """Wall and CPU seconds of a check, and the most bytes that its processes held together."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "pawl.data", "check", "tickets"], cwd=folder)
    peak = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.25):
            peak = max(peak, _held(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    done.set()
    watcher.join()
    if code:
        raise SystemExit(f"the check ended with {code}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - begun, cpu, peak


def _held(pid: int) -> int:
    total = 0
    try:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            total += process.memory_full_info().pss
    except psutil.NoSuchProcess:
        # One ended while it was looked at: what was counted so far is no less than it held.
        return total
    return total


if __name__ == "__main__":
    main()
