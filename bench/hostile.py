"""Hostile data files by the hundred thousand through `read_examples`: rows or words, nothing else.

    python bench/hostile.py --quick
    python bench/hostile.py [--only PART] [--inputs N] [--seed N]

`damage` draws damaged files (Hypothesis), `process` does so for Parquet alone, each unpacked by a
process of its own, and `atheris` grows files along what the reader's code covers (`pip install
'pawl[bench]'`). Ends with a table, and with exit code 1 if a reader hung, raised anything else,
wrote outside its folder, or opened a socket or a process.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import io
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hostilelab.watch import Watch

    from pawl.data.read.lines import Record

sys.path.insert(0, str(Path(__file__).resolve().parent))

# Shares of all inputs. A process costs 0.3 s.
PARTS = {"damage": 0.3, "atheris": 0.698, "process": 0.002}
QUICK = 500
CHUNK = 2000
LONG = 1 / 500
# Of a part, before its process is ended: for what hangs where no alarm reaches.
HOURS = 2
SHOWN = 12


def main() -> int:
    """Run the parts, each in a process of its own, and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} inputs, without atheris")
    parser.add_argument("--only", choices=PARTS, action="append", help="default: all")
    parser.add_argument("--inputs", type=int, default=200_000, help="of all parts together")
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--worker", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--report", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        WORKERS[given.worker](given.inputs, given.seed, given.report)
        return 0
    parts = given.only or list(PARTS)
    if given.quick:
        given.inputs, parts = QUICK, [part for part in parts if part != "atheris"]
    tallies = [t for part in parts for t in run(part, int(given.inputs * PARTS[part]), given.seed)]
    table(tallies)
    return 1 if any(tally["breaches"] for tally in tallies) else 0


def run(part: str, inputs: int, seed: int) -> Iterator[dict[str, Any]]:
    """The tally of a part; where its process ended early, what it ended with is a breach."""
    with tempfile.TemporaryDirectory(prefix="pawl-hostile-") as folder:
        report = Path(folder) / "tally.json"
        asked = ["--worker", part, "--inputs", inputs, "--seed", seed, "--report", report]
        # A worker's workspace lies in the folder, too.
        done = subprocess.run(
            ["timeout", f"{HOURS}h", sys.executable, __file__, *map(str, asked)],
            env=os.environ | {"TMPDIR": folder, "MALLOC_ARENA_MAX": "2"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        tally = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}
        if done.returncode or tally.get("inputs", 0) < inputs:
            wrong = [f"exit code {done.returncode}: {done.stdout[-3000:]}"]
            tally["breaches"] = tally.get("breaches", []) + wrong
        yield (
            {"part": part, "inputs": 0, "ends": {}, "seconds": 0.0, "worst": 0.0}
            | {"peak_mib": 0}
            | tally
        )


def damage(inputs: int, seed: int, report: Path) -> None:
    """Damaged files of all formats, Parquet unpacked within this process."""
    with watched("damage", inside=True) as watch:
        _drawn(watch, (".jsonl", ".jsonl.gz", ".csv", ".parquet"), inputs, seed)
        watch.tally.write(report)


def process(inputs: int, seed: int, report: Path) -> None:
    """Damaged Parquet files, read as anybody's are."""
    with watched("process", inside=False) as watch:
        _drawn(watch, (".parquet",), inputs, seed)
        watch.tally.write(report)


def fuzz(inputs: int, seed: int, report: Path) -> None:
    """Files that libFuzzer grows from good ones; the first byte says the format."""
    try:
        import atheris
    except ImportError:
        sys.exit("atheris is not installed: pip install --no-deps -r infra/bench.lock")
    with atheris.instrument_imports(include=["pawl"]):
        importlib.import_module("pawl.data.read.examples")
    with watched("atheris", inside=True) as watch:
        from hostilelab.damage import DAMAGES, FORMS, hostile_file

        corpus = watch.folder / "corpus"
        corpus.mkdir()
        for number in range(256):
            shape, damages = number % 8, DAMAGES[number % len(DAMAGES) :][: number % 3]
            form = ".jsonl" if shape == 5 else FORMS[shape % 4]
            made = hostile_file(form, damages, number)
            (corpus / f"{number}").write_bytes(bytes([shape]) + made)

        def one(data: bytes) -> None:
            number = data[0] % 8 if data else 0
            watch.read(FORMS[number % 4], _shaped(number, data[1:]), drop=0.0)
            # libFuzzer ends the process itself.
            if watch.tally.inputs == inputs:
                watch.tally.write(report)
                os._exit(0)

        # The watch has its own alarm and its own bound.
        off = ["-rss_limit_mb=0", "-timeout=0", "-verbosity=0", f"-artifact_prefix={corpus}/"]
        atheris.Setup([sys.argv[0], "-max_len=4096", f"-seed={seed}", *off, str(corpus)], one)
        atheris.Fuzz()


WORKERS = {"damage": damage, "process": process, "atheris": fuzz}


def within(path: Path, name: str) -> Iterator[Record]:
    """The records of a Parquet file, unpacked within this process."""
    from pawl.data.read import parquet_file

    out = io.BytesIO()
    # What it raises it has written before.
    with suppress(Exception):
        parquet_file.decode(str(path), out)
    yield from parquet_file.decoded_records(io.BytesIO(out.getvalue()), name)


@contextmanager
def watched(part: str, *, inside: bool) -> Iterator[Watch]:
    """A watch over a folder of its own; `inside`: Parquet is unpacked within this process.

    That is the same code between the same caps, a hundred times as often.
    """
    from hostilelab.watch import Watch

    from pawl.data.read import formats as sources

    if inside:
        sources.parquet_records = within
    with tempfile.TemporaryDirectory(prefix="workspace-") as folder:
        watch = Watch(Path(folder), part)
        warm(watch)
        watch.bound()
        yield watch


def warm(watch: Watch) -> None:
    """Libraries are loaded, and their caches written, before anything is watched or counted."""
    from hostilelab.damage import FORMS, hostile_file
    from hostilelab.watch import Tally

    for form in FORMS:
        watch.read(form, hostile_file(form, ("value", "column"), 1))
    watch.tally = Tally(watch.tally.part)


def _drawn(watch: Watch, forms: Sequence[str], inputs: int, seed: int) -> None:
    """Hypothesis draws format, damages and where they fall; what it draws is read at once."""
    import hypothesis
    from hostilelab.damage import DAMAGES, hostile_file
    from hostilelab.watch import Breach
    from hypothesis import strategies as st

    damages = st.lists(st.sampled_from(DAMAGES), max_size=4)
    drops = st.sampled_from((0.0, 0.0, 0.5, 1.0))

    @hypothesis.settings(
        max_examples=CHUNK,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(st.sampled_from(forms), damages, st.integers(0, 2**32), drops)
    def one(form: str, named: list[str], at: int, drop: float) -> None:
        # Files of more than 1 MiB take as long as hundreds of others.
        named = [*named, "long"] if Random(at).random() < LONG else named
        if watch.tally.inputs < inputs:
            try:
                watch.read(form, hostile_file(form, named, at), drop=drop)
            except Breach as breach:
                watch.tally.breaches.append(f"{form} {named} seed {at} drop {drop}: {breach}")

    while watch.tally.inputs + len(watch.tally.breaches) < inputs:
        hypothesis.seed(seed)(one)()
        seed += 1


def _shaped(number: int, data: bytes) -> bytes:
    """Numbers above 3 take a format's first step, which no fuzzer finds: gzip, or a header."""
    if number == 5:
        return gzip.compress(data, 1)
    return b"prompt,completion,messages\n" + data if number == 6 else data


def table(tallies: Sequence[dict[str, Any]]) -> None:
    """What a person reads: a line a part, and how inputs ended."""
    print("| part | inputs | rows | kinds of words | seconds | worst | peak MiB | breaches |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    ends: Counter[str] = Counter()
    for tally in tallies:
        rows = sum(n for end, n in tally["ends"].items() if end.startswith("rows"))
        kinds = sum(not end.startswith("rows") for end in tally["ends"])
        ends.update(tally["ends"])
        print(
            f"| `{tally['part']}` | {tally['inputs']:,} | {rows:,} | {kinds} | "
            f"{tally['seconds']:.0f} | {tally['worst']:.2f} | {tally['peak_mib']:,} | "
            f"{len(tally['breaches'])} |"
        )
    print("\n| ends most often | inputs |\n|---|---:|")
    for end, count in ends.most_common(SHOWN):
        print(f"| {end} | {count:,} |")
    for tally in tallies:
        for breach in tally["breaches"][:SHOWN]:
            print(f"{tally['part']}: {breach}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
