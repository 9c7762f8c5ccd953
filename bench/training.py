"""Training speed against TRL's SFTTrainer: the same base, rows, rate and tokens a step, in turns.

    pip install .[bench]
    python bench/training.py [--runs 5] [--rows 480] [--snips FOLDER] [--base FOLDER] [--best]
        [--sweep | --curve]

Each run is a process of its own, because peak memory is one's own only there; runs alternate.
Tokens are real ones, never padding; the clock starts after the first two steps. On a busy machine
the tokens of a CPU second tell more than those of a second: both are printed, and the load.
`--curve` prints instead the loss on the same held-out rows after the same shares of the tokens, by
one measure for all, with three seeds of the order. TRL runs with what `--sweep` found best; with
`--base` its metrics are switched off in one line, as they cost with the size of the vocabulary.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SEEDS = (1, 2, 3)

# TRL in bf16, on the NF4 values unpacked once: its faster choice. Its
# `wrapped` cuts the rows at the borders of packs and lets them look at each other.
CONTENDERS: dict[str, dict[str, Any]] = {
    "pawl": {"trainer": "pawl", "precision": "auto"},
    "pawl, `precision: float32`": {"trainer": "pawl", "precision": "float32"},
    "TRL, wrapped": {"trainer": "trl", "packing": "wrapped", "length": 256, "bf16": True},
    "TRL, bfd": {"trainer": "trl", "packing": "bfd", "length": 512, "bf16": True},
    "TRL, no packing": {"trainer": "trl", "packing": "sorted", "length": 512, "bf16": True},
}
SETTINGS: tuple[dict[str, Any], ...] = (
    {"packing": "wrapped", "length": 128, "bf16": True},
    {"packing": "wrapped", "length": 256, "bf16": True},
    {"packing": "wrapped", "length": 256, "bf16": True, "dense": False},
    {"packing": "wrapped", "length": 256, "bf16": False},
    {"packing": "wrapped", "length": 512, "bf16": True},
    {"packing": "bfd", "length": 256, "bf16": True},
    {"packing": "bfd", "length": 512, "bf16": True},
    {"packing": "bfd", "length": 512, "bf16": True, "attention": "eager"},
    {"packing": "bfd", "length": 2048, "bf16": True},
    {"packing": "padded", "length": 512, "bf16": True},
    {"packing": "sorted", "length": 512, "bf16": True},
    {"packing": "sorted", "length": 512, "bf16": True, "threads": 2},
)


def main() -> None:
    """Print a table for each set of rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=480, help="train rows, one epoch")
    parser.add_argument("--snips", type=Path, help="a folder with SNIPS' train_full.jsonl")
    parser.add_argument("--only", choices=["tickets", "snips"])
    parser.add_argument("--best", action="store_true", help="Pawl and TRL's fastest alone")
    parser.add_argument("--sweep", action="store_true", help="TRL's settings, a run each")
    parser.add_argument("--curve", action="store_true", help="held-out losses instead of speed")
    parser.add_argument("--base", type=Path, help="this base in place of the two small ones")
    parser.add_argument("--rate", type=float, default=2e-3, help="the learning rate of all")
    given = parser.parse_args()
    if given.base:
        for name in [name for name in CONTENDERS if name.startswith("TRL")]:
            CONTENDERS[f"{name}, without its metrics"] = {**CONTENDERS[name], "metrics": False}
    if given.best:
        for name in ("TRL, bfd", "TRL, no packing"):
            del CONTENDERS[name]
            CONTENDERS.pop(f"{name}, without its metrics", None)
    cases = {"tickets": ("tiny base, tickets v2", ROOT / "examples/tickets/v2.jsonl", "tiny")}
    if given.snips:
        cases["snips"] = ("5M Llama, SNIPS", given.snips / "train_full.jsonl", "5m")
    for short, (name, data, base) in cases.items():
        if given.only in (None, short):
            case = {"data": str(data), "base": base, "rows": given.rows, "rate": given.rate}
            if given.base:
                name = f"{given.base.name}, {name.rpartition(', ')[2]}"
                case["base"] = str(given.base.resolve())
            if given.sweep:
                _sweep(name, case)
            elif given.curve:
                _curve(name, case)
            else:
                _compare(name, case, given.runs)


def _compare(name: str, case: dict[str, Any], runs: int) -> None:
    found: dict[str, list[dict[str, Any]]] = {contender: [] for contender in CONTENDERS}
    for _ in range(runs):
        for contender, setting in CONTENDERS.items():
            found[contender].append(_run({**case, **setting}))
    loads = sorted(result["load"] for results in found.values() for result in results)
    print(f"\n{name}, {runs} runs each, load {loads[0]:.0f} to {loads[-1]:.0f}\n")
    print(
        "| | tokens a second | tokens a CPU second | range | pawl's, by rounds | peak MiB "
        "| of it training |\n|---|---:|---:|---:|---:|---:|---:|"
    )
    for contender, results in found.items():
        speeds = sorted(result["cpu_speed"] for result in results)
        ratios = sorted(
            mine["cpu_speed"] / other["cpu_speed"]
            for mine, other in zip(found["pawl"], results, strict=True)
        )
        print(
            f"| {contender} | {_median(results, 'speed'):,.0f} | {statistics.median(speeds):,.0f} "
            f"| {speeds[0]:,.0f} to {speeds[-1]:,.0f} | {statistics.median(ratios):.2f} × "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f}) | {_median(results, 'peak'):,.0f} "
            f"| {_median(results, 'growth'):,.0f} |",
            flush=True,
        )


def _curve(name: str, case: dict[str, Any]) -> None:
    print(f"\n{name}: held-out loss after a quarter, half, three quarters and all, by seeds\n")
    print("| | " + " | ".join(f"seed {seed}" for seed in SEEDS) + " |\n|---|---|---|---|")
    for contender, setting in CONTENDERS.items():
        shown = []
        for seed in SEEDS:
            got = _run({**case, **setting, "curve": True, "seed": seed})
            shown.append(" ".join(f"{loss:.3f}" for loss in got["losses"]))
        print(f"| {contender} | {' | '.join(shown)} |", flush=True)


def _sweep(name: str, case: dict[str, Any]) -> None:
    print(f"\n{name}: TRL\n\n| setting | tokens a CPU second | peak MiB | held-out loss | load |")
    print("|---|---:|---:|---:|---:|")
    for setting in SETTINGS:
        got = _run({**case, **setting, "trainer": "trl"})
        shown = ", ".join(f"{key} {value}" for key, value in setting.items())
        print(
            f"| {shown} | {got['cpu_speed']:,.0f} | {got['peak']:,.0f} "
            f"| {got['losses'][-1]:.4f} | {got['load']:.0f} |",
            flush=True,
        )


def _median(results: list[dict[str, Any]], key: str) -> float:
    return statistics.median(result[key] for result in results)


def _run(case: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "speedlab" / "run.py"), json.dumps(case)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{case}:\n{done.stderr[-3000:]}")
    value: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(value, file=sys.stderr, flush=True)
    return value


if __name__ == "__main__":
    main()
