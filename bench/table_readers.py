"""Our reader beside those of `datasets`, polars and DuckDB, which are not installed.

    pip install datasets polars duckdb
    python bench/table_readers.py [--rows 100000] [--runs 3]

Files as people have them, and damaged ones, go through all four, as each reads them unless told
otherwise. *right*: the texts that stand in the file. *otherwise*: other texts, without a word.
*refused*: an error. Of a damaged file the error is what is wanted. Then seconds of a core for one
CSV file, in turns. Figures: bench/README.md.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pawl.data.read.examples import read_examples

Pairs = list[tuple[str, str]]
PLAIN: Pairs = [("where is it?", "delivery"), ("I want it back", "refund"), ("so?", "other")]
LABELS: Pairs = [("first", "007"), ("second", "1e5"), ("third", "12.50")]
MISSING: Pairs = [("first", "NA"), ("second", "null"), ("third", "None")]
TRUTHS: Pairs = [("first", "true"), ("second", "False"), ("third", "yes")]
DATES: Pairs = [("first", "2024-07-03"), ("second", "03/07/2024"), ("third", "12:30")]
LONG: Pairs = [("two\nlines, and a comma", 'a "quoted" word'), ("x; y", "z"), ("last", "end")]


def text(pairs: Pairs, *, delimiter: str = ",", head: str = "prompt,completion") -> str:
    def cell(value: str) -> str:
        quoted = any(c in value for c in f'"\n{delimiter}')
        return '"' + value.replace('"', '""') + '"' if quoted else value

    rows = [delimiter.join(map(cell, pair)) for pair in pairs]
    return "\n".join([head.replace(",", delimiter), *rows, ""])


def made_json(pairs: Pairs) -> list[dict[str, str]]:
    return [{"prompt": asked, "completion": answered} for asked, answered in pairs]


# Files by name: their bytes, and the pairs that stand in them; None: damaged.
FILES: dict[str, tuple[bytes, Pairs | None]] = {
    "plain.csv": (text(PLAIN).encode(), PLAIN),
    "bom.csv": (b"\xef\xbb\xbf" + text(PLAIN).encode(), PLAIN),
    "semicolons.csv": (text(PLAIN, delimiter=";").encode(), PLAIN),
    "tabs.csv": (text(PLAIN, delimiter="\t").encode(), PLAIN),
    "crlf.csv": (text(PLAIN).replace("\n", "\r\n").encode(), PLAIN),
    "quotes.csv": (text(LONG).encode(), LONG),
    "numbers.csv": (text(LABELS).encode(), LABELS),
    "missing.csv": (text(MISSING).encode(), MISSING),
    "truths.csv": (text(TRUTHS).encode(), TRUTHS),
    "dates.csv": (text(DATES).encode(), DATES),
    "lines.jsonl": (b"".join(json.dumps(r).encode() + b"\n" for r in made_json(PLAIN)), PLAIN),
    "array.json": (json.dumps(made_json(PLAIN)).encode(), PLAIN),
    "dates.jsonl": (b"".join(json.dumps(r).encode() + b"\n" for r in made_json(DATES)), DATES),
    "wrapped.json": (json.dumps({"data": made_json(PLAIN)}).encode(), PLAIN),
    "ragged.csv": (text(PLAIN).encode() + b"one,two,three\n", None),
    "short.csv": (text(PLAIN).encode() + b"one\n", None),
    "open_quote.csv": (text(PLAIN).encode() + b'"one,two\nthree,four\n', None),
    "cp1252.csv": (text([("Köln?", "Grüße")]).encode("cp1252"), None),
    "zeros.csv": (text([("a\x00b", "c"), *PLAIN]).encode(), None),
    "same_heads.csv": (text(PLAIN, head="prompt,prompt").encode(), None),
    "half_line.jsonl": (b'{"prompt": "a", "completion": "b"}\n{"prompt": "c", "compl\n', None),
    "key_twice.jsonl": (b'{"prompt": "a", "completion": "b", "completion": "c"}\n' * 2, None),
    "nan.jsonl": (b'{"prompt": "a", "completion": NaN}\n' * 2, None),
}


def ours(path: Path) -> Pairs:
    found = read_examples(path, path.name).examples
    return [(row.messages[0].content, row.completion) for row in found]


def of_datasets(path: Path) -> Pairs:
    import datasets

    datasets.disable_progress_bars()
    kind = "csv" if path.suffix == ".csv" else "json"
    with tempfile.TemporaryDirectory() as cache:
        rows = datasets.load_dataset(kind, data_files=str(path), split="train", cache_dir=cache)
        return [(row["prompt"], row["completion"]) for row in rows]


def of_polars(path: Path) -> Pairs:
    import polars

    readers = {".csv": polars.read_csv, ".jsonl": polars.read_ndjson, ".json": polars.read_json}
    frame = readers[path.suffix](path)
    return list(frame.select("prompt", "completion").iter_rows())


def of_duckdb(path: Path) -> Pairs:
    import duckdb

    reader = "read_csv" if path.suffix == ".csv" else "read_json"
    found = duckdb.execute(f"SELECT prompt, completion FROM {reader}(?)", [str(path)])
    return [(row[0], row[1]) for row in found.fetchall()]


READERS: dict[str, Callable[[Path], Pairs]] = {
    "ours": ours, "datasets": of_datasets, "polars": of_polars, "DuckDB": of_duckdb,
}  # fmt: skip


def outcome(read: Callable[[Path], Pairs], path: Path, wanted: Pairs | None) -> str:
    try:
        found: Any = read(path)
    except Exception:  # noqa: BLE001 - each library has errors of its own
        return "refused"
    return "right" if found == wanted else "otherwise"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    print(f"| file | {' | '.join(READERS)} |\n|---|{'---|' * len(READERS)}")
    counts = {who: Counter[str]() for who in READERS}
    with tempfile.TemporaryDirectory() as folder:
        for name, (data, wanted) in FILES.items():
            path = Path(folder) / name
            path.write_bytes(data)
            told = {who: outcome(read, path, wanted) for who, read in READERS.items()}
            kind = "damaged" if wanted is None else "good"
            for who, said in told.items():
                counts[who][f"{kind} {said}"] += 1
            print(f"| `{name}`{'' if wanted else ', damaged'} | {' | '.join(told.values())} |")
        print({who: dict(counted) for who, counted in counts.items()}, file=sys.stderr)
        big = Path(folder) / "big.csv"
        with big.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["prompt", "completion"])
            for n in range(args.rows):
                writer.writerow([f"where is order {n}? " + "It is late again. " * 12, "delivery"])
        took: dict[str, list[float]] = {who: [] for who in READERS}
        for _ in range(args.runs):
            for who, read in READERS.items():
                start = time.process_time()
                assert len(read(big)) == args.rows
                took[who].append(time.process_time() - start)
    for who, seconds in took.items():
        print(f"{who}: {statistics.median(seconds):.2f} s of a core for {args.rows:,} rows of CSV")


if __name__ == "__main__":
    main()
