"""What the data rules say of good public sets: the share of rows that each rule names.

    python bench/false_alarms.py NAME=FILE … [--rows N]

Of each file the first N rows are read as `pawl new` reads them, and looked at by the rules of
`pawl check`. What a rule names in a set that people train on is taken for a false alarm, but for
what README.md says of it. No row is printed or written.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from pawl.config.load import parse_params
from pawl.config.schema import Check
from pawl.core.records import Example
from pawl.data.read.examples import ExampleReader
from pawl.data.rules.measure import row_measurer
from pawl.data.rules.run_rules import run_rules

REPO = Path(__file__).parents[1]
TASK = {
    "data": "data/rows.jsonl",
    "base": {"model": str(REPO / "base" / "tiny")},
    "check": {"min_rows": 10, "turns": "all"},
    "split": {"salt": "s"},
    "train": {"max_length": 4096},
    "evaluate": {},
    "gate": {},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("sets", nargs="+", metavar="NAME=FILE")
    parser.add_argument("--rows", type=int, default=5000)
    args = parser.parse_args()
    section = parse_params(yaml.safe_dump({"tasks": {"t": TASK}}), "params.yaml").task("t")
    measurer = row_measurer(section, REPO, None)
    for given in args.sets:
        name, _, path = given.partition("=")
        reader = ExampleReader(Path(path), Path(path).name, drop=1.0, check=Check(turns="all"))
        rows: Iterator[Example] = itertools.islice(iter(reader), args.rows)
        results = run_rules(rows, section, measurer)
        named = [
            f"{rule.name} {rule.found / rule.of:.1%}{'' if rule.passed else f' {rule.severity}'}"
            for rule in results.rules
            if rule.of and rule.found and rule.name not in ("row_count", "constant")
        ]
        print(
            f"{name}: {len(results.columns.ids):,} rows, {reader.bad} unreadable:", ", ".join(named)
        )
        for message in reader.messages[:3]:
            print("   unreadable:", message[:150], file=sys.stderr)
        for rule in results.rules:
            for fault in rule.worst[:6]:
                print(f"   {rule.name}: {fault.id}: {fault.says[:140]}", file=sys.stderr)


if __name__ == "__main__":
    main()
