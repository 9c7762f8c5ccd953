"""How long does the gate take on 3,000 rows, 5 contenders and 20 slices?

    python bench/gate_speed.py

Pass/fail and graded metrics, four guards, 20 slices, ungrouped and in groups of three rows. Timed
are `decide` alone and the stage's reading of the evidence with it; medians of five. Also at the
lowest level that a first budget has, the last look of front-loaded spending: the smaller the
level, the more sign flips are drawn. The exit code is 1 if one takes longer than `ALLOWED`.
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pawl.config.judging import Gate
from pawl.core.alpha_budget import level
from pawl.core.files import digest_file, digest_json, write_lines
from pawl.core.records import (
    BaseInfo,
    Champion,
    Contender,
    EvalReport,
    Look,
    Score,
    SplitReport,
    write_record,
)
from pawl.gate.decide import decide
from pawl.gate.evidence import Evidence
from pawl.gate.run import judge
from pawl.workspace.paths import TaskFiles

ROWS, SLICES, RUNS = 3000, 20, 5
# Seconds that reading and judging may take.
ALLOWED = 2.0
CONTENDERS = {"candidate": 0.8, "champion": 0.7, "zero-shot": 0.2, "few-shot": 0.4, "long": 0.5}
MARGIN = 0.1
GUARDS = {"json_valid": MARGIN, "field_accuracy": MARGIN, "schema_valid": MARGIN, "seconds": 0.5}


def main() -> None:
    front = Gate(spending="front")
    prices = {"even, first look": level(Gate(), 1), "front, last look": level(front, front.looks)}
    print("| metric | rows | level | decide, s | read and decide, s |\n|---|---|---|---:|---:|")
    slow = []
    for metric in ("exact_match", "field_accuracy"):
        for grouped in (False, True):
            for name, price in prices.items():
                alone, whole = timed(metric, grouped=grouped, price=price)
                kind = "in groups of 3" if grouped else "ungrouped"
                print(f"| {metric} | {kind} | {name} ({price:.2g}) | {alone:.2f} | {whole:.2f} |")
                if max(alone, whole) > ALLOWED:
                    slow.append(f"{metric}, {kind}, {name}: {max(alone, whole):.2f} s")
    if slow:
        sys.exit(f"longer than {ALLOWED} s: " + "; ".join(slow))


def timed(metric: str, *, grouped: bool, price: float) -> tuple[float, float]:
    """Seconds of `decide`, and of reading and `decide`."""
    found = evidence(grouped, price)
    policy = Gate(metric=metric, guards=GUARDS, slices=MARGIN)
    verdict = decide(found, policy)
    if len(verdict.guards) != len(GUARDS) + SLICES:
        raise SystemExit(f"not judged: {verdict.decision}, {verdict.reasons[0]}")
    with tempfile.TemporaryDirectory() as folder:
        files = TaskFiles(Path(folder))
        leave(files, found)
        return median(lambda: decide(found, policy)), median(lambda: judge(files, policy))


def median(call: Callable[[], object]) -> float:
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def evidence(grouped: bool, price: float) -> Evidence:
    rng = np.random.default_rng(11)
    scores = [
        Score(
            f"{i:05}",
            f"{i:016x}",
            name,
            "gate",
            "",
            {
                "exact_match": float(draw < right),
                "field_accuracy": round(min(1.0, right + draw / 4), 2),
                "json_valid": float(draw < 0.98),
                "schema_valid": float(draw < 0.97),
                "seconds": 0.2 + draw / 10,
            },
            f"g{i // 3}" if grouped else None,
            f"s{i % SLICES:02}",
        )
        for name, right in CONTENDERS.items()
        for i, draw in enumerate(rng.random(ROWS))
    ]
    ids = digest_json([f"{i:05}" for i in range(ROWS)])
    look = Look(1, 20, "q", price)
    wore = {"candidate": "c", "champion": "d"}
    contenders = tuple(
        Contender(name, "gate", ROWS, {}, None, None, adapter=wore.get(name)) for name in CONTENDERS
    )
    report = EvalReport("t", "b", "c", Champion(1, "d"), look, ids, 0, contenders, {}, "")
    return Evidence(report, tuple(scores), {"gate": ROWS}, "b")


def leave(files: TaskFiles, found: Evidence) -> None:
    """The evidence as files, as the stages before the gate leave it."""
    files.eval.mkdir(parents=True)
    write_lines(files.eval / "rows.jsonl", map(dataclasses.asdict, found.scores))
    digest = digest_file(files.eval / "rows.jsonl")
    write_record(files.eval / "report.json", dataclasses.replace(found.report, scores=digest))
    write_record(files.base, BaseInfo("m", None, found.base))
    splits = SplitReport("t", "d", "s", found.rows, {}, {"gate": "g"})
    write_record(files.splits / "manifest.json", splits)


if __name__ == "__main__":
    main()
