"""The table of base families: `docs/bases.md`, measured.

    python bench/bases.py [--only NAME] [--write]

Each family is examined on a tiny random base of its own code (`baselab.families`): load, one step,
decoding in batches behind a shared prefix, perplexity, save, reload in plain peft, each against
peft's and transformers' own code, a row at a time. `--write` writes the table to docs/bases.md;
without it, each line is printed. *Before* are the figures of 0.1.0 (`baselab/before.json`). The
exit code is 1 if a family is neither right nor refused.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

from baselab.examine import RESTS, Examined, examine
from baselab.families import FAMILIES

PAGE = Path(__file__).parents[1] / "docs" / "bases.md"
BEFORE = Path(__file__).parent / "baselab" / "before.json"
START, END = "<!-- table -->\n", "<!-- end of the table -->\n"
PASSES = {
    "packed": "rows packed",
    "rows": "a row at a time",
    "own": "the model's own, a row at a time",
}
SHARED = {
    "padded": "padded batches",
    "even": "batches of one length",
    "whole": "batches of one length, no prefix",
    "alone": "a row at a time",
}


def main() -> int:
    """Examine the families and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=sorted(FAMILIES))
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    _be_quiet()
    before = json.loads(BEFORE.read_text(encoding="utf-8"))
    lines, wrong = [], 0
    for name in [asked.only] if asked.only else FAMILIES:
        with tempfile.TemporaryDirectory() as folder:
            found = examine(*FAMILIES[name], Path(folder))
        wrong += not found.right and not found.refused
        lines.append(line(name, found, before.get(name, {})))
        sys.stdout.write(lines[-1])
        sys.stdout.flush()
    if asked.write:
        text = PAGE.read_text(encoding="utf-8")
        head, _, rest = text.partition(START)
        title = _row("family", "kind", "trained", "gradient", "judged", "answers", "before")
        rule = _row("---", "---", "---", "--:", "---", "--:", "---")
        table = title + rule + "".join(lines)
        PAGE.write_text(head + START + table + END + rest.partition(END)[2], encoding="utf-8")
    return int(wrong > 0)


def line(name: str, found: Examined, before: dict[str, Any]) -> str:
    """A family's line of the table."""
    kind = f"`{FAMILIES[name][0]}`"
    if found.refused:
        return _row(name, kind, f"refused: {found.refused}", "", "", "", _before(before))
    return _row(
        name,
        kind,
        PASSES[found.passes],
        f"{found.gradient:.0e}",
        SHARED[found.sharing],
        f"{found.decoded} of {len(RESTS)}" + ("" if found.right else ", **wrong**"),
        _before(before),
    )


def _before(was: dict[str, Any]) -> str:
    """What 0.1.0 made of it, where that was wrong."""
    faults = []
    gradient, decoded = was.get("gradient"), was.get("decode")
    if "load" in was:
        return "no adapter"
    if isinstance(gradient, str):
        faults.append("no step")
    elif gradient is not None and gradient > 1e-4:
        faults.append(f"gradient off by {gradient:.2g}")
    if isinstance(decoded, str):
        faults.append("no answer")
    elif decoded is not None and decoded < len(RESTS):
        faults.append(
            f"{decoded} of {len(RESTS)} answers, perplexities off by {was['perplexity']:.0%}"
        )
    return "; ".join(faults) or "right"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |\n"


def _be_quiet() -> None:
    from transformers.utils import logging as of_transformers

    of_transformers.disable_progress_bar()
    logging.disable(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main())
