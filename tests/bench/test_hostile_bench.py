"""The bench of hostile files reads some, and does not let a reader do what it may not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HOSTILE = Path(__file__).parents[2] / "bench" / "hostile.py"
FAULTY = """
import sys, time, socket, os
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from hostilelab import watch
watch.SECONDS = 1
faults = {
    "writes": lambda *_, **__: open("/tmp/../tmp/elsewhere", "w"),
    "removes": lambda *_, **__: os.remove("/nowhere"),
    "calls": lambda *_, **__: socket.socket(),
    "starts": lambda *_, **__: os.system("true"),
    "hangs": lambda *_, **__: time.sleep(30),
    "raises": lambda *_, **__: [][0],
    "swallows": lambda *_, **__: type("Rows", (), {"examples": (), "bad": 0}),
}
seen = watch.Watch(Path(sys.argv[2]), "faulty")
for name, fault in faults.items():
    watch.read_examples = fault
    try:
        seen.read(".jsonl", b"")
    except watch.Breach as breach:
        print(name, breach)
"""


def test_the_bench_reads_damaged_files_and_finds_no_breach() -> None:
    done = subprocess.run(
        [sys.executable, str(HOSTILE), "--quick"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    cells = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()]
    tallies = {row[0].strip("`"): row[1:] for row in cells if len(row) == 8}
    for part in ("damage", "process"):
        inputs, *_, breaches = tallies[part]
        assert int(inputs.replace(",", "")) > 0
        assert breaches == "0"
    assert int(tallies["damage"][1].replace(",", "")) > 0
    assert int(tallies["damage"][2]) > 20


def test_a_reader_that_does_what_it_may_not_is_caught(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAULTY, str(HOSTILE.parent), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    told = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert told.keys() == {"writes", "removes", "calls", "starts", "hangs", "raises", "swallows"}
    assert "elsewhere" in told["writes"]
    assert "not through after 1 s" in told["hangs"]
    assert "IndexError" in told["raises"]
