"""How many wrong answers `pawl.data.rules.label_noise` finds, and how many right ones it doubts.

    python bench/label_noise.py [--snips FOLDER] [--seeds 3]

*v3* is the tickets example with its damaged delivery, of its own seed and of others. Which rows are
damaged, and in what, follows from the generator: it draws each ticket with its true labels first,
and these are drawn again here. *Flips* are planted in clean rows, seeded: a field's value becomes
that of another row. *Top* is the share of planted rows among the worst n, n being how many were
planted; *alarms* are doubted rows that were not, of all that were not. What is wrong in SNIPS from
the start counts as an alarm.

Then seconds and memory for 10,000 rows. The exit code is 1 if fewer than 80 of the worst 100 of a
v3 are damaged. Figures: bench/README.md.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pawl.core.records import Example, Message
from pawl.data.read.examples import read_examples
from pawl.data.read.row import row_key
from pawl.data.rules.label_noise import label_noise
from pawl.data.rules.near_duplicates import near_duplicates, templates

TICKETS = Path(__file__).parents[1] / "examples" / "tickets"
sys.path.insert(0, str(TICKETS))
import generate  # noqa: E402 - the example is no package

WORST, ASKED, ROWS, NEAR = (50, 100, 200, 500), 0.8, 10_000, 0.7
# Shops of other seeds, which nothing was chosen by.
FRESH = (7, 8, 9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--snips", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    time_them(generated(ROWS), "tickets")
    precision = min(damaged_delivery(seed) for seed in (generate.SEED, *FRESH))
    sets = {"v1": read("v1"), "v2": read("v2"), "fresh": generated(ROWS)}
    snips = []
    if args.snips is not None:
        path = args.snips / "train_full.jsonl"
        snips = read_examples(path, path.name, drop=0.01).examples
        sets["snips"] = snips
    for name, rows in sets.items():
        doubted = len(label_noise(rows))
        share = doubted / len(rows)
        print(f"as it is: {name:6} {doubted:4} of {len(rows)} rows doubted ({share:.2%})")
    for field in ("category", "urgency", "order"):
        flips("v2", sets["v2"], field, seeds=args.seeds)
    if snips:
        for field in ("intent", ""):
            flips("snips", snips, field, seeds=args.seeds)
        time_them(snips[:ROWS], "snips")
    if precision < ASKED:
        sys.exit(
            f"of the worst 100 rows of a v3 {precision:.0%} are damaged, asked are {ASKED:.0%}"
        )


def damaged_delivery(seed: int) -> float:
    """Print what is found in v3 of a seed; the precision of the worst hundred."""
    rows, truth = delivered(seed)
    wrong = {row.id: {n for n, v in said(row).items() if v != truth[row.id][n]} for row in rows}
    name = f"v3 of seed {seed}"
    precision = judged(name, rows, wrong)
    # A foreign order number gives a row away; these have to do without.
    judged(f"{name}, no orders", [saying(row, {"order": None}) for row in rows], wrong)
    found = label_noise(rows)
    for field in ("category", "urgency", "order"):
        told = [suspect for suspect in found if f"{field}=" in suspect.reason]
        right = sum(field in wrong[rows[suspect.index].id] for suspect in told)
        of = sum(field in fields for fields in wrong.values())
        share, recall = right / len(told), right / of
        print(f"{name}: {field:8} doubted {len(told)}: {share:.1%} wrong, {recall:.1%} of {of}")
    return precision


def judged(name: str, rows: list[Example], wrong: dict[str, set[str]]) -> float:
    start = time.perf_counter()
    found = label_noise(rows)
    seconds = time.perf_counter() - start
    hits = [bool(wrong[rows[suspect.index].id]) for suspect in found]
    damaged = sum(map(bool, wrong.values()))
    print(f"{name}: {len(rows)} rows, {damaged} damaged, {seconds:.1f} s")
    worst = "  ".join(f"{count} {sum(hits[:count]) / count:.1%}" for count in WORST)
    print(f"{name}: damaged among the worst {worst}")
    share, recall = sum(hits) / len(found), sum(hits) / damaged
    print(f"{name}: {len(found)} doubted, {share:.1%} damaged, {recall:.1%} of the damaged")
    return sum(hits[:100]) / 100


def delivered(seed: int) -> tuple[list[Example], dict[str, dict[str, object]]]:
    """The rows of v3, and by id what each would say had nothing been damaged."""
    clean = generate.clean_tickets(seed, generate.V2_ROWS)
    # As `generate.bad_delivery` begins, before it damages them.
    draw = random.Random(f"{seed}:bad")
    seen = {generate._normalised(ticket.message) for ticket in clean}
    truth = generate._draw_unique(draw, generate.BAD_ROWS, prefix="vx", seen=seen)
    bad = generate.bad_delivery(seed, generate.BAD_ROWS, clean)
    rows = [example(ticket) for ticket in (*clean, *bad)]
    return rows, {ticket.id: said(example(ticket)) for ticket in (*clean, *truth)}


def flips(name: str, rows: list[Example], field: str, *, seeds: int) -> None:
    """Print what is found of a share of rows whose `field` (or any copied one) was changed."""
    for share in (0.01, 0.05, 0.1):
        runs = [planted(rows, field, share=share, seed=seed) for seed in range(seeds)]
        columns = zip(("top", "recall", "alarms"), zip(*runs, strict=True), strict=True)
        told = "  ".join(
            f"{what} {statistics.median(values):6.1%} ({min(values):.1%} to {max(values):.1%})"
            for what, values in columns
        )
        print(f"flips: {name:5} {field or 'a slot':8} {share:4.0%}  {told}")


def planted(
    rows: list[Example], field: str, *, share: float, seed: int
) -> tuple[float, float, float]:
    draw = random.Random(seed)
    values: dict[str, list[object]] = {}
    for row in rows:
        for name, value in said(row).items():
            values.setdefault(name, []).append(value)
    rows, able = list(rows), list(range(len(rows)))
    draw.shuffle(able)
    changed: set[int] = set()
    for index in able:
        labels = said(rows[index])
        slots = [n for n in labels if n == field or (not field and n != "intent")]
        if len(changed) == round(share * len(rows)) or not slots:
            continue
        name = draw.choice(slots)
        others = [
            v for v in draw.choices(values[name], k=30) if v != labels[name] and v is not None
        ]
        if not others:
            continue
        changed.add(index)
        rows[index] = saying(rows[index], {name: others[0]})
    found = [suspect.index for suspect in label_noise(rows)]
    hits = len(changed & set(found))
    top = len(changed & set(found[: len(changed)])) / len(changed)
    return top, hits / len(changed), (len(found) - hits) / (len(rows) - len(changed))


def time_them(rows: list[Example], name: str) -> None:
    """Print seconds and memory of all that compares rows; memory is what the peak rises by."""
    # Imports are no part of it.
    label_noise(rows[:100])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    steps: dict[str, Callable[[], object]] = {
        "near_duplicates": lambda: near_duplicates(rows, near=NEAR),
        "templates": lambda: templates(rows),
        "label_noise": lambda: label_noise(rows),
    }
    whole = 0.0
    for step, run in steps.items():
        took, used = [], []
        for _ in range(3):
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            took.append(time.perf_counter() - wall)
            used.append(time.process_time() - cpu)
        whole += statistics.median(used)
        print(
            f"{len(rows)} rows of {name}: {step:15} {statistics.median(took):5.2f} s "
            f"({min(took):.2f} to {max(took):.2f}), of a core {statistics.median(used):.2f} s"
        )
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{len(rows)} rows of {name}: together {whole:.2f} s of a core, {grown:.0f} MB")


def generated(count: int) -> list[Example]:
    """Clean tickets of another seed than the example's."""
    return [example(ticket) for ticket in generate.clean_tickets(FRESH[0], count)]


def example(ticket: generate.Ticket) -> Example:
    row = json.loads(ticket.to_json())
    messages = (Message("user", row["prompt"]),)
    return Example(row["id"], row_key(messages), messages, row["completion"])


def read(version: str) -> list[Example]:
    name = f"{version}.jsonl"
    return read_examples(TICKETS / name, name).examples


def saying(row: Example, changed: dict[str, object]) -> Example:
    labels = said(row) | changed
    return replace(row, completion=json.dumps(labels, ensure_ascii=False, separators=(",", ":")))


def said(row: Example) -> dict[str, object]:
    labels: dict[str, object] = json.loads(row.completion)
    return labels


if __name__ == "__main__":
    main()
