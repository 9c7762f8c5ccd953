"""Label noise and near-duplicates beside cleanlab, datasketch and rensa, which are not installed.

    pip install cleanlab datasketch rensa
    python bench/libraries.py [--only labels|copies] [--labels FILE] [--runs 3]

*labels*: a field's value becomes that of another row in 5 % of the rows; `label_noise` is asked
which, and cleanlab's `find_label_issues` on cross-validated probabilities of logistic regression on
TF-IDF. FILE has rows whose completion is a label. *copies*: 300 rows are planted once more with
an edit of `near_copies.py`; `near_duplicates` is asked which, and the two libraries on the same
shingles, with their own threshold and then with the exact Jaccard similarity of each pair. Each run
has a seed of its own, the programs take turns, seconds are those of a core. Figures: README.md.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from label_noise import example, generate, read
from near_copies import EDITS, asked, made_of

from pawl.core.records import Example
from pawl.core.row_identity import prompt_text
from pawl.data.read.examples import read_examples
from pawl.data.rules.label_noise import label_noise
from pawl.data.rules.near_duplicates import near_duplicates
from pawl.data.split.boilerplate import shingles
from pawl.data.split.copies import jaccard

FLIPPED, PLANTED, NEAR, PERMUTATIONS, FOLDS = 0.05, 300, 0.7, 128, 5
MOST = 4_000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", choices=("labels", "copies"))
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    if args.only != "copies":
        print("| labels | | right among the top n | found | clean rows doubted | s of a core |")
        print("|---|---|---:|---:|---:|---:|")
        clean = list(read("v2"))
        for field in ("category", "urgency"):
            labels(f"tickets v2, `{field}`", clean, field, runs=args.runs)
        if args.labels is not None:
            rows = read_examples(args.labels, args.labels.name).examples[:MOST]
            labels(args.labels.stem, list(rows), "", runs=args.runs)
    if args.only != "labels":
        print("\n| copies | | planted found | other rows named | s of a core |")
        print("|---|---|---:|---:|---:|")
        tickets = [example(ticket) for ticket in generate.clean_tickets(7, 3_000)]
        copies("tickets, no templates", tickets, runs=args.runs)
        copies("10 templates of thirty words", made_of(10), runs=args.runs)


def labels(name: str, clean: list[Example], field: str, *, runs: int) -> None:
    """Print who finds the flipped values of a field, and how many of the others are doubted."""
    finders: dict[str, Callable[[list[Example]], list[int]]] = {
        "ours": lambda rows: [
            suspect.index for suspect in label_noise(rows)
            if not field or f"{field}=" in suspect.reason
        ],
        "cleanlab": lambda rows: _cleanlab(rows, [_label(row, field) for row in rows]),
    }  # fmt: skip
    figures: dict[str, list[tuple[float, ...]]] = {who: [] for who in finders}
    for seed in range(runs):
        rows, changed = _flipped(clean, field, seed=seed)
        for who, find in finders.items():
            start = time.process_time()
            found = find(rows)
            seconds = time.process_time() - start
            top = len(changed & set(found[: len(changed)])) / len(changed)
            hits = len(changed & set(found))
            doubted = (len(found) - hits) / (len(rows) - len(changed))
            figures[who].append((top, hits / len(changed), doubted, seconds))
    for who, runs_of in figures.items():
        *shares, seconds = (statistics.median(column) for column in zip(*runs_of, strict=True))
        told = " | ".join(f"{share:.1%}" for share in shares)
        print(f"| {name} ({len(clean):,}) | {who} | {told} | {seconds:.1f} |", flush=True)


def copies(name: str, clean: Sequence[Example], *, runs: int) -> None:
    """Print who finds the planted copies, and how many rows that are none are named."""
    finders: dict[str, Callable[[list[Example]], set[int]]] = {
        "ours": lambda rows: {later for later, _, _ in near_duplicates(rows, near=NEAR)},
        "datasketch": lambda rows: _datasketch(rows, exact=False),
        "datasketch, exact": lambda rows: _datasketch(rows, exact=True),
        "rensa": lambda rows: _rensa(rows, exact=False),
        "rensa, exact": lambda rows: _rensa(rows, exact=True),
    }
    figures: dict[str, list[tuple[float, ...]]] = {who: [] for who in finders}
    for seed in range(runs):
        draw = random.Random(seed)
        rows = list(clean)
        for number in draw.sample(range(len(clean)), k=PLANTED):
            text = draw.choice(EDITS)(clean[number].messages[-1].content, draw)
            rows.append(asked(text, clean[number].completion, f"copy-{number}"))
        planted = set(range(len(clean), len(rows)))
        for who, find in finders.items():
            start = time.process_time()
            found = find(rows)
            seconds = time.process_time() - start
            others = len(found - planted) / len(clean)
            figures[who].append((len(found & planted) / PLANTED, others, seconds))
    for who, runs_of in figures.items():
        recall, others, seconds = (statistics.median(c) for c in zip(*runs_of, strict=True))
        print(f"| {name} ({len(clean):,}) | {who} | {recall:.1%} | {others:.1%} | {seconds:.1f} |",
              flush=True)  # fmt: skip


def _label(row: Example, field: str) -> str:
    return str(json.loads(row.completion)[field]) if field else row.completion


def _flipped(clean: list[Example], field: str, *, seed: int) -> tuple[list[Example], set[int]]:
    draw, rows = random.Random(seed), list(clean)
    changed = set(draw.sample(range(len(rows)), k=round(FLIPPED * len(rows))))
    names = sorted({_label(row, field) for row in rows})
    for index in changed:
        other = draw.choice([name for name in names if name != _label(rows[index], field)])
        completion = other
        if field:
            said = json.loads(rows[index].completion) | {field: other}
            completion = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
        rows[index] = replace(rows[index], completion=completion)
    return rows, changed


def _cleanlab(rows: list[Example], names: list[str]) -> list[int]:
    """The doubted rows, worst first, as cleanlab's pages have it done for texts."""
    import numpy as np
    from cleanlab.filter import find_label_issues
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    number = {name: at for at, name in enumerate(sorted(set(names)))}
    given = np.array([number[name] for name in names])
    x = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True).fit_transform(
        [prompt_text(row) for row in rows]
    )
    model = LogisticRegression(max_iter=400)
    probabilities = cross_val_predict(model, x, given, cv=FOLDS, method="predict_proba")
    found = find_label_issues(
        given, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1
    )
    return [int(index) for index in found]


def _datasketch(rows: list[Example], *, exact: bool) -> set[int]:
    from datasketch import MinHash, MinHashLSH

    index, found = MinHashLSH(threshold=NEAR, num_perm=PERMUTATIONS), set[int]()
    sets = [shingles(prompt_text(row)) for row in rows]
    for at, some in enumerate(sets):
        made = MinHash(num_perm=PERMUTATIONS)
        made.update_batch([shingle.encode() for shingle in some])
        if _is_near(at, index.query(made), sets, exact=exact):
            found.add(at)
        index.insert(at, made)
    return found


def _rensa(rows: list[Example], *, exact: bool) -> set[int]:
    from rensa import RMinHash, RMinHashLSH

    index, found = RMinHashLSH(NEAR, PERMUTATIONS, 16), set[int]()
    sets = [shingles(prompt_text(row)) for row in rows]
    for at, some in enumerate(sets):
        made = RMinHash(PERMUTATIONS, 42)
        made.update(sorted(some))
        if _is_near(at, index.query(made), sets, exact=exact):
            found.add(at)
        index.insert(at, made)
    return found


def _is_near(at: int, candidates: Any, sets: list[Any], *, exact: bool) -> bool:
    if not exact:
        return bool(candidates)
    return any(jaccard(sets[at], sets[other]) >= NEAR for other in candidates)


if __name__ == "__main__":
    main()
