"""Training speed against TRL's SFTTrainer: the same base, rows, rate and tokens a step, in turns.

    pip install .[bench]
    python bench/training.py [--runs 5] [--rows 480] [--snips FOLDER] [--sweep]

Each run is a process of its own, because peak memory is one's own only there; runs alternate.
Tokens are real ones, never padding; the clock starts after the first two steps. That both learn the
same is seen from the loss on the same held-out rows after the same number of tokens, by one measure
(`pawl.train.measure.mean_loss`). TRL runs with what `--sweep` found to be the best of its settings.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TRAINERS = ("pawl", "trl")
# What TRL was tried with; the first is its best, see bench/README.md.
SETTINGS = (
    {"packing": "wrapped", "length": 256},
    {"packing": "wrapped", "length": 512},
    {"packing": "bfd", "length": 256},
    {"packing": "bfd", "length": 512},
    {"packing": "bfd", "length": 2048},
    {"packing": "none", "length": 512},
)


def main() -> None:
    """Print a table for each set of rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=480, help="train rows, one epoch")
    parser.add_argument("--snips", type=Path, help="a folder with SNIPS' train_full.jsonl")
    parser.add_argument("--sweep", action="store_true", help="TRL's settings, a run each")
    given = parser.parse_args()
    cases = [("tiny base, tickets v2", ROOT / "examples" / "tickets" / "v2.jsonl", "tiny")]
    if given.snips:
        cases.append(("5M Llama, SNIPS", given.snips / "train_full.jsonl", "5m"))
    for name, data, base in cases:
        case = {"data": str(data), "base": base, "rows": given.rows}
        if given.sweep:
            _sweep(name, case)
        else:
            _compare(name, case, given.runs)


def _compare(name: str, case: dict[str, object], runs: int) -> None:
    found: dict[str, list[dict[str, float]]] = {trainer: [] for trainer in TRAINERS}
    for _ in range(runs):
        for trainer in TRAINERS:
            found[trainer].append(_run({**case, **SETTINGS[0], "trainer": trainer}))
    print(f"\n{name}, {runs} runs each\n")
    print("| | tokens/s, median | range | peak MiB | held-out loss |\n|---|---:|---:|---:|---:|")
    for trainer, results in found.items():
        speeds = sorted(result["speed"] for result in results)
        print(
            f"| {trainer} | {statistics.median(speeds):,.0f} | {speeds[0]:,.0f} to "
            f"{speeds[-1]:,.0f} | {statistics.median(r['peak'] for r in results):,.0f} "
            f"| {statistics.median(r['loss'] for r in results):.4f} |"
        )
    ratios = sorted(
        mine["speed"] / other["speed"] for mine, other in zip(*found.values(), strict=True)
    )
    print(
        f"\nratio, by pairs: {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    )


def _sweep(name: str, case: dict[str, object]) -> None:
    print(f"\n{name}: TRL\n\n| packing | length | tokens/s | held-out loss |\n|---|---:|---:|---:|")
    for setting in SETTINGS:
        got = _run({**case, **setting, "trainer": "trl"})
        print(
            f"| {setting['packing']} | {setting['length']} | {got['speed']:,.0f} "
            f"| {got['loss']:.4f} |",
            flush=True,
        )


def _run(case: dict[str, object]) -> dict[str, float]:
    command = [sys.executable, str(HERE / "speedlab" / "run.py"), json.dumps(case)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{case}:\n{done.stderr[-3000:]}")
    value: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(value, file=sys.stderr, flush=True)
    return value


if __name__ == "__main__":
    main()
