"""Faults, seeded, with the separate checker after each: `--quick` within two minutes.

    python bench/faults.py --quick
    python bench/faults.py [--only PART] [--kills N] [--operations N] [--minutes N] [--seed N]

Ends with a table of figures, and with exit code 1 if anything was violated.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

Told = tuple[list[tuple[str, object]], list[str]]
os.environ.pop("MLFLOW_TRACKING_URI", None)
os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", MLFLOW_DISABLE_TELEMETRY="true")
os.environ["TQDM_DISABLE"] = "1"
warnings.simplefilter("ignore", FutureWarning)
os.environ.update(MLFLOW_LOGGING_LEVEL="CRITICAL", MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false")
# The hands of the stages (adapters, verdicts) are those that the tests use.
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

from faultlab import commands, hammer, kills, lab, servers, stages, troubles  # noqa: E402

PARTS = ("kills", "stages", "command", "disk", "lock", "postgres", "server")


def main() -> int:
    """Run the parts, print the table; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few of each kill, no servers")
    parser.add_argument("--only", choices=PARTS, action="append", help="default: all")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--stages", type=int, default=500, help="kills of stages")
    parser.add_argument("--commands", type=int, default=200, help="faults in `pawl run`")
    parser.add_argument("--disks", type=int, default=200, help="operations on a full disk")
    parser.add_argument("--locks", type=int, default=10, help="operations on a locked SQLite file")
    parser.add_argument("--operations", type=int, default=10_000, help="on each store")
    parser.add_argument("--minutes", type=float, default=90.0, help="at most, for each part")
    parser.add_argument("--seed", type=int, default=5)
    given = parser.parse_args()
    if given.quick:
        given.only, given.kills, given.disks = ["kills", "disk"], 6, 6
    lab.warm()
    rows: list[tuple[str, object]] = []
    violations: list[str] = []
    for part in given.only or PARTS:
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="pawl-faults-") as folder:
            told, wrong = RUN[part](Path(folder), given)
        minutes = (time.monotonic() - start) / 60
        rows += [(f"{part}: {name}", count) for name, count in told]
        rows += [(f"{part}: violations", len(wrong)), (f"{part}: minutes", f"{minutes:.1f}")]
        violations += wrong
    print("\n| fault | figure |\n|---|---:|")
    print("\n".join(f"| {name} | {count} |" for name, count in rows))
    return 1 if violations else 0


def _kills(folder: Path, given: argparse.Namespace) -> Told:
    tally = kills.kill_releases(
        folder, kills=given.kills, seed=given.seed, seconds=60 * given.minutes
    )
    rows: list[tuple[str, object]] = sorted(tally.kills.items())
    rows += [("all kills", sum(tally.kills.values())), ("acts that lived", tally.survived)]
    return rows, tally.violations


def _stages(folder: Path, given: argparse.Namespace) -> Told:
    tally = stages.kill_stages(
        folder, kills=given.stages, seed=given.seed, seconds=60 * given.minutes
    )
    rows: list[tuple[str, object]] = sorted(tally.kills.items())
    return [*rows, ("all kills", sum(tally.kills.values()))], tally.violations


def _command(folder: Path, given: argparse.Namespace) -> Told:
    tally = commands.fault_commands(
        folder, faults=given.commands, seed=given.seed, seconds=60 * given.minutes
    )
    rows: list[tuple[str, object]] = sorted(tally.kills.items())
    rows += [("all faults", sum(tally.kills.values())), ("ended before", tally.survived)]
    return rows, tally.violations


def _disk(folder: Path, given: argparse.Namespace) -> Told:
    tally = troubles.fill_disks(
        folder, faults=given.disks, seed=given.seed, seconds=60 * given.minutes
    )
    return sorted(tally.kills.items()), tally.violations


def _lock(folder: Path, given: argparse.Namespace) -> Told:
    tally = troubles.lock_stores(
        folder, faults=given.locks, seed=given.seed, seconds=60 * given.minutes
    )
    return sorted(tally.kills.items()), tally.violations


def _postgres(folder: Path, given: argparse.Namespace) -> Told:
    with servers.postgres() as uri:
        if uri is None:
            return [("skipped: no PostgreSQL here (Debian: apt install postgresql)", 0)], []
        target = hammer.Target(uri, uri, fault=lambda: servers.break_session(uri))
        return _hammered(folder, given, target)


def _server(folder: Path, given: argparse.Namespace) -> Told:
    with (
        servers.mlflow_server(folder) as port,
        servers.BadNetwork(port, seed=given.seed, share=0.02) as bad,
    ):
        rows, wrong = _hammered(folder, given, hammer.Target(bad.url, f"http://127.0.0.1:{port}"))
        return [*rows, *((f"network: {kind}", n) for kind, n in bad.done.items())], wrong


def _hammered(folder: Path, given: argparse.Namespace, target: hammer.Target) -> Told:
    done = hammer.hammer(
        folder,
        target,
        operations=given.operations,
        seed=given.seed,
        seconds=60 * given.minutes,
    )
    told = done.outcomes
    return [
        ("operations that were answered", done.ended),
        ("of these: released", told["done"]),
        ("of these: void, another was first", told["void"]),
        ("of these: refused, nothing written", told["refused"]),
        ("of these: the store did not answer", told["failed"]),
        ("killed under way", told["asked"] - done.ended),
        *done.faults.items(),
        ("tasks", done.tasks),
        ("checks", done.checks),
        ("operations a second", f"{done.ended / done.seconds:.1f}"),
    ], done.violations


RUN = {
    "kills": _kills,
    "stages": _stages,
    "command": _command,
    "disk": _disk,
    "lock": _lock,
    "postgres": _postgres,
    "server": _server,
}


if __name__ == "__main__":
    sys.exit(main())
