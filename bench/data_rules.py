"""What each rule of the data check finds of the dirt that it is for, and what it takes for dirt.

    python bench/data_rules.py [--only RULE] [--strengths 0.001 0.01 0.05] [--rows N] [--snips DIR]

Clean ground is `tickets` v2. A run puts several kinds of dirt into it (`bench/dirt.py`), each into
rows of its own, lets `pawl check` look at it and reads what the check leaves. *Recall* is the share
of the rows made dirty that the kind's rule names. *False alarms* are rows that were left as they
were and that the rule names here, but not in the clean ground; of how many, stands beside. What the
rule says of the clean ground is in a table of its own. Dirt of the whole data (one label only) is
found or not. With `--snips`, the folder of the SNIPS data, all of its repeated prompts and all of
its test prompts that stand in train must be named.

Kinds marked ! must all be found; if one is missed, the bench ends with exit code 1.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from dirt import WHOLE, Dirt, Row, dirts

from pawl.core.records import CheckReport, Profile, Rule, read_record
from pawl.data.check import check
from pawl.data.inputs import inputs
from pawl.data.read.row import example_of
from pawl.data.rules.profile import drift, profile_of
from pawl.errors import DataError
from pawl.workspace.paths import Workspace

REPO = Path(__file__).parents[1]
# More dirt than this in one run, and there is no clean ground to speak of.
DIRTY = 0.4
# Rows for dirt of the whole data: it is there or not.
FEW = 600


@dataclass(frozen=True)
class Checked:
    """What a check says: its rules, and by rule the ids at fault."""

    rules: dict[str, Rule]
    faults: dict[str, set[str]]


class Ground:
    """A workspace with one task, whose rows are put in anew for each check."""

    def __init__(self, folder: Path, *, schema: bool, length: int) -> None:
        (folder / "data").mkdir(parents=True)
        shutil.copytree(REPO / "base" / "tiny", folder / "base" / "tiny")
        task = yaml.safe_load((REPO / "params.yaml").read_text(encoding="utf-8"))["tasks"][
            "tickets"
        ]
        for name in ("schema", "prompt"):
            shutil.copy(REPO / task[name], folder / task[name])
        if not schema:
            del task["schema"]
            task["gate"] |= {"floors": {"exact_match": 0.1}, "guards": {}}
        task["train"]["max_length"] = length
        # Rows that cannot be read are a rule's business here, and no end of the check.
        task["check"] = {"min_rows": 300, "drop_bad": 0.2}
        self._workspace, self._task = Workspace(folder), task

    def checked(self, rows: Sequence[Row | str], *, slice_by: str | None = None) -> Checked:
        root = self._workspace.root
        task = self._task | {"split": self._task["split"] | {"slice_by": slice_by}}
        (root / "params.yaml").write_text(yaml.safe_dump({"tasks": {"t": task}}), encoding="utf-8")
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        (root / task["data"]).write_text("\n".join(lines) + "\n", encoding="utf-8")
        inputs(self._workspace, "t")
        try:
            check(self._workspace, "t")
        except DataError as error:
            if error.rule != "no rule of severity `block` may fail":
                raise
        folder = self._workspace.files("t").check
        report = read_record(folder / "report.json", CheckReport)
        faults: defaultdict[str, set[str]] = defaultdict(set)
        with (folder / "faults.jsonl").open(encoding="utf-8") as file:
            for line in file:
                fault = json.loads(line)
                faults[fault["rule"]].add(fault["id"])
        return Checked({rule.name: rule for rule in report.rules}, faults)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="RULE")
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.001, 0.01, 0.05])
    parser.add_argument("--rows", type=int, default=2500)
    parser.add_argument("--snips", type=Path)
    args = parser.parse_args()
    rows = read(REPO / "examples" / "tickets" / "v2.jsonl")[: args.rows]
    kinds = [dirt for dirt in dirts() if args.only in (None, dirt.rule)]
    wholes = [rule for rule in WHOLE if args.only in (None, rule)]
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        ground = Ground(Path(folder) / "tickets", schema=True, length=320)
        clean = ground.checked(rows)
        print(f"| rule | found in {len(rows)} clean rows |\n|---|---:|")
        for rule in clean.rules.values():
            print(f"| {rule.name} | {len(clean.faults[rule.name])} |")
        print("\n| rule | dirt | of rows | injected | recall | false alarms |")
        print("|---|---|---:|---:|---:|---:|")
        for strength in args.strengths:
            size = max(1, int(DIRTY / strength))
            for at in range(0, len(kinds), size):
                missed |= measured(ground, rows, clean, kinds[at : at + size], strength)
        for name in wholes:
            told = whole(ground, rows, name)
            print(f"| {name} | {WHOLE[name].__name__.replace('_', ' ')} | all | | {told} | |")
        if args.snips and args.only in (None, "duplicates"):
            missed |= repeated(Ground(Path(folder) / "snips", schema=False, length=512), args.snips)
    if args.only in (None, "drift"):
        drifted(rows, DRIFTED)
    if missed:
        sys.exit("dirt that must be found was missed")


def measured(
    ground: Ground, rows: list[Row], clean: Checked, kinds: list[Dirt], strength: float
) -> bool:
    """Print a line a kind; whether one that must be found was missed."""
    draw = random.Random(f"{strength} {[kind.name for kind in kinds]}")
    count = max(1, round(strength * len(rows)))
    order = draw.sample(range(len(rows)), k=count * len(kinds))
    dirt_of = {row: kinds[at // count] for at, row in enumerate(order)}
    made: list[Row | str] = []
    dirty: defaultdict[Dirt, list[str]] = defaultdict(list)
    for at, row in enumerate(rows):
        if at not in dirt_of:
            made.append(row)
            continue
        instead = dirt_of[at].make(row, draw)
        made += instead
        last = instead[-1]
        dirty[dirt_of[at]].append(last if isinstance(last, str) else last["id"])
    found = ground.checked(made)
    untouched = {row["id"] for at, row in enumerate(rows) if at not in dirt_of}
    missed = False
    for kind in kinds:
        share = recall(found, kind, dirty[kind], kinds)
        alarms = len((found.faults[kind.rule] - clean.faults[kind.rule]) & untouched)
        mark = "!" if kind.surely else ""
        told = "no such rule" if share is None else f"{share:.1%}"
        print(f"| {kind.rule} | {kind.name}{mark} | {strength:.1%} | {count} | {told} "
              f"| {alarms} of {len(untouched)} |", flush=True)  # fmt: skip
        missed |= kind.surely and share is not None and share < 1
    return missed


def recall(found: Checked, kind: Dirt, dirty: list[str], kinds: list[Dirt]) -> float | None:
    """The share of a kind's dirty rows that its rule names; a row that is not read has no id."""
    if kind.rule not in found.rules:
        return None
    if kind.rule == "readable":
        unreadable = len(dirty) * sum(other.rule == kind.rule for other in kinds)
        return found.rules[kind.rule].found / unreadable
    return len(found.faults[kind.rule].intersection(dirty)) / len(dirty)


def whole(ground: Ground, rows: list[Row], rule: str) -> str:
    found = ground.checked(WHOLE[rule](rows[:FEW]), slice_by="region" if rule == "slices" else None)
    if rule not in found.rules:
        return "no such rule"
    return "passed" if found.rules[rule].passed else "failed, as it must"


def repeated(ground: Ground, folder: Path) -> bool:
    """Whether one of the repeated prompts of SNIPS is not named."""
    train, test = (
        [row | {"id": f"{name} {at}"} for at, row in enumerate(read(folder / f"{name}.jsonl"))]
        for name in ("train_full", "test")
    )
    small = {row["prompt"].lower() for row in train}
    repeats = {
        "repeated in train_full": seen_before(train, str),
        "the same in lower case": seen_before(train, str.lower),
        "of test, in train_full": [r["id"] for r in test if r["prompt"].lower() in small],
    }
    named = ground.checked([*train, *test]).faults["duplicates"]
    for name, ids in repeats.items():
        share = len(named.intersection(ids)) / len(ids)
        print(f"| duplicates | SNIPS prompts {name}! | as it is | {len(ids)} | {share:.1%} | |")
    return any(not named.issuperset(ids) for ids in repeats.values())


DRIFTED = (0.05, 0.2, 0.5)
# What is done to a row, and which drift must show it.
DRIFTS: dict[str, tuple[str, Callable[[Row], Row]]] = {
    "prompts twice as long": (
        "prompt length",
        lambda row: row | {"prompt": f"{row['prompt']} {row['prompt']}"},
    ),
    "a new category": (
        "labels of category",
        lambda row: row | {"completion": row["completion"].replace(category(row), "warranty")},
    ),
    "all of one category": (
        "labels of category",
        lambda row: row | {"completion": row["completion"].replace(category(row), "refund")},
    ),
    "a new word": ("vocabulary", lambda row: row | {"prompt": f"{row['prompt']} Warranty!"}),
}


def drifted(rows: list[Row], strengths: Sequence[float]) -> None:
    """Print how far one half of the rows is from the other, some of which are changed."""
    half = len(rows) // 2
    before, draw = profiled(rows[:half]), random.Random(1)
    print("\n| drift | change | none | " + " | ".join(f"{s:.1%}" for s in strengths) + " |")
    print("|---|---|---:" + "|---:" * len(strengths) + "|")
    for name, (measure, change) in DRIFTS.items():
        told = []
        for strength in (0.0, *strengths):
            changed = set(draw.sample(range(half), k=round(strength * half)))
            now = [change(row) if at in changed else row for at, row in enumerate(rows[half:])]
            (found,) = (d for d in drift(profiled(now), before) if d.name == measure)
            told.append(f"{found.value:.3f}")
        print(f"| {measure} | {name} | {' | '.join(told)} |", flush=True)


def profiled(rows: Sequence[Row]) -> Profile:
    examples = [example_of(row, at) for at, row in enumerate(rows)]
    lengths = [len(row["prompt"]) for row in rows], [len(row["completion"]) for row in rows]
    return profile_of(*lengths, examples)


def category(row: Row) -> str:
    return str(json.loads(row["completion"])["category"])


def seen_before(rows: list[Row], form: Callable[[str], str]) -> list[str]:
    seen: set[str] = set()
    found = []
    for row in rows:
        if (prompt := form(row["prompt"])) in seen:
            found.append(row["id"])
        seen.add(prompt)
    return found


def read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


if __name__ == "__main__":
    main()
