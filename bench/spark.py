"""The suite on Great Expectations' Spark backend against pandas: the same file, the same verdict.

    pip install 'pyspark<4'   (it needs Java; Debian: apt install default-jre-headless)
    python bench/spark.py [--rows examples/tickets/v3.jsonl]

The rows are measured once, the columns written as Parquet and read by a local Spark. Prints what
each rule found on both; the exit code is 1 if they differ in one row.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from pawl.config.judging import Evaluate, Gate
from pawl.config.schema import Check, Split, Task, Train
from pawl.core.records import BaseRef
from pawl.data.read.examples import ExampleReader
from pawl.data.rules.great_expectations import validate
from pawl.data.rules.measure import row_measurer
from pawl.data.rules.run_rules import measure_columns, rule_frame
from pawl.data.rules.suite import suite

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Print the table; the exit code."""
    from pyspark.sql import SparkSession

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=Path, default=ROOT / "examples" / "tickets" / "v3.jsonl")
    given = parser.parse_args()
    schema = json.loads((ROOT / "data" / "tickets.schema.json").read_text(encoding="utf-8"))
    base, split, train = BaseRef("base/tiny"), Split("s"), Train(max_length=320)
    section = Task("data", base, Check(), split, train, Evaluate(), Gate())
    rows = ExampleReader(given.rows, given.rows.name)
    columns = measure_columns(rows, section, row_measurer(section, ROOT, schema))
    rules = suite(section, has_schema=True)
    frame = rule_frame(columns, rules)
    begun = time.perf_counter()
    here = validate(frame, rules, name="rows")
    seconds = time.perf_counter() - begun
    with tempfile.TemporaryDirectory() as folder:
        # Keys beyond 2^63 are no number to Spark.
        whole = frame.astype({"key": str, "answer": str})
        whole.to_parquet(Path(folder) / "columns.parquet")
        session = SparkSession.builder.master("local[2]").appName("pawl").getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
        spark = session.read.parquet(str(Path(folder) / "columns.parquet"))
        begun = time.perf_counter()
        there = validate(spark, rules, name="rows")
        beyond = time.perf_counter() - begun
        session.stop()
    print(
        f"\n{given.rows.name}: {len(frame):,} rows, pandas {seconds:.1f} s, Spark {beyond:.1f} s\n"
    )
    print("| rule | pandas | Spark | |\n|---|---:|---:|---|")
    same = True
    for rule in rules:
        one, other = here[rule.name], there[rule.name]
        equal = (one.passed, one.of, sorted(one.rows), one.observed) == (
            (other.passed, other.of, sorted(other.rows), other.observed)
        )
        same &= equal
        found = [
            f"{len(o.rows) if o.observed is None else o.observed:,.0f} of {o.of:,}"
            for o in (one, other)
        ]
        print(f"| {rule.name} | {found[0]} | {found[1]} | {'same' if equal else 'DIFFERENT'} |")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
