"""How long a command takes to its first word, beside another version of Pawl.

    python bench/first_word.py WORKSPACE [--before SRC] [--times 7]

Runs each command in WORKSPACE, which has two versions, by turns with the Pawl of this checkout and
with that of SRC, the folder `src` of another. Prints medians: CPU seconds of the whole command, on
whatever else the machine does the honest figure, and seconds of the clock to the first output.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parents[1] / "src"
COMMANDS = (
    "--help", "status tickets", "history tickets", "compare tickets 1 2", "flips tickets",
    "status tickets --lineage", "data log tickets", "verify tickets", "replay tickets 2",
    "plan tickets --device 24GB",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--times", type=int, default=7)
    words = parser.parse_args()
    sources = [HERE] if words.before is None else [words.before, HERE]
    print(
        f"{'command':<28}" + "".join(f"{name:>22}" for name in ("before", "now")[-len(sources) :])
    )
    for line in COMMANDS:
        taken: dict[Path, list[tuple[float, float]]] = {source: [] for source in sources}
        for turn in range(words.times + 1):
            for source in sources:
                measured = run(line, words.workspace, source)
                if turn:  # the first fills the caches of files and bytecode
                    taken[source].append(measured)
        cells = [
            "{:.2f} s CPU, {:.2f} s".format(*map(statistics.median, zip(*taken[one], strict=True)))
            for one in sources
        ]
        print(f"{line:<28}" + "".join(f"{cell:>22}" for cell in cells), flush=True)


def run(line: str, workspace: Path, source: Path) -> tuple[float, float]:
    """CPU seconds of a command, and seconds of the clock to its first output."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "pawl", *line.split()],
        cwd=workspace,
        env={**os.environ, "PYTHONPATH": str(source)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        first = time.perf_counter() - start
        process.stdout.read()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, first


if __name__ == "__main__":
    main()
