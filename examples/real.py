"""`tickets` on a real chat model, SmolLM2-135M-Instruct: `make real`.

A workspace of its own, the recipe that `pawl new` chooses, one cycle. Then each contender's scores
in a table: the adapter beside the same model asked without examples, with examples and by the long
prompt. Whatever comes out is shown.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pawl.core.metrics import shown
from pawl.core.records import Cycle
from workspace import ROOT, Example

REAL = Example(ROOT / ".pawl" / "real", author="Pawl's example")
METRICS = ("exact_match", "schema_valid", "char_error")


def main() -> None:
    """Run the cycle in a fresh workspace and print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", required=True, help="a folder, or a hub id")
    base: str = parser.parse_args().base
    REAL.begin()
    data = ROOT / "data"
    REAL.run(
        *("new", "tickets", "--data", str(ROOT / "examples" / "tickets" / "v1.jsonl")),
        *("--schema", str(data / "tickets.schema.json")),
        *("--prompt", str(data / "tickets.prompt.md")),
        *("--base", str(Path(base).resolve()) if Path(base).is_dir() else base),
    )
    REAL.git("add", "--all")
    REAL.git("commit", "--quiet", "--message", "tickets on a real base")
    print(f"\n{table(REAL.cycle())}")
    print(f"\nsee it: cd {REAL.folder.relative_to(ROOT)} && pawl ui")


def table(cycle: Cycle) -> str:
    """A Markdown table: a line per contender, a column per metric that was measured."""
    columns = [name for name in METRICS if any(name in of for of in cycle.scores.values())]
    lines = [f"| contender | {' | '.join(columns)} |", f"| --- |{' --: |' * len(columns)}"]
    for contender, scores in cycle.scores.items():
        cells = (shown(name, scores[name]) if name in scores else "" for name in columns)
        lines.append(f"| {contender} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
