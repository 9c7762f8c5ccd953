"""How many edited copies the split finds, and how many rows it takes for copies that are none.

    python bench/near_copies.py ROWS.jsonl [--near 0.7] [--shingle 3] [--seeds 5] [--frame FILE]
    python bench/near_copies.py --templates 30 [...]

Each seed deals the rows anew (20 % held out) and makes one copy of each held-out row by each of six
edits, dealt to train. *Recall* is the share of these copies that left train. A *false alarm* is a
real train row that left it although the nearest held-out row has another completion, so that it is
another question; the *share* counts all real train rows that left, those with the same completion
too. `--frame` puts the text of a file in front of every prompt; `--templates` makes 3,000 rows of
so many templates, thirty shared words around six words of the row's own, in place of a file.

*Exact* copies are planted too, each held-out prompt as it is and in capitals, and what repeats in
the file counts with them: one that is missed ends the bench with exit code 1. Figures:
bench/README.md.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pawl.core.records import Example, Message
from pawl.data.read.examples import read_examples
from pawl.data.read.row import row_key
from pawl.data.split import boilerplate
from pawl.data.split.copies import without_copies

LETTERS = "abcdefghijklmnopqrstuvwxyz"
FILLERS = ("please", "now", "just", "really", "kindly", "then")


def typo(text: str, draw: random.Random) -> str:
    at = draw.randrange(len(text))
    head, here, tail = text[:at], text[at], text[at + 1 :]
    edits = (tail, draw.choice(LETTERS) + here + tail, draw.choice(LETTERS) + tail)
    return head + draw.choice((*edits, tail[:1] + here + tail[1:]))


def two_typos(text: str, draw: random.Random) -> str:
    return typo(typo(text, draw), draw)


def punctuation(text: str, draw: random.Random) -> str:
    return draw.choice((text + "?", text + "!!", f'"{text}"', text.replace(" ", ", ", 1)))


def word_added(text: str, draw: random.Random) -> str:
    words = text.split()
    words.insert(draw.randrange(len(words) + 1), draw.choice(FILLERS))
    return " ".join(words)


def word_dropped(text: str, draw: random.Random) -> str:
    words = text.split()
    words.remove(min(draw.sample(words, k=min(2, len(words))), key=len))
    return " ".join(words) or text


def words_swapped(text: str, draw: random.Random) -> str:
    words = text.split()
    at = draw.randrange(max(1, len(words) - 1))
    words[at : at + 2] = reversed(words[at : at + 2])
    return " ".join(words)


EDITS: tuple[Callable[[str, random.Random], str], ...] = (
    typo, two_typos, punctuation, word_added, word_dropped, words_swapped,
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path, nargs="?")
    parser.add_argument("--templates", type=int)
    parser.add_argument("--near", type=float, default=0.7)
    parser.add_argument("--shingle", type=int, default=boilerplate.SHINGLE)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--frame", type=Path)
    args = parser.parse_args()
    if (args.rows is None) == (args.templates is None):
        parser.error("name either a file or --templates")
    boilerplate.SHINGLE = args.shingle
    frame = args.frame.read_text(encoding="utf-8") + "\n" if args.frame else ""
    rows = (
        made_of(args.templates)
        if args.rows is None
        else read_examples(args.rows, args.rows.name, drop=0.01).examples
    )
    runs = [measure(rows, near=args.near, seed=seed, frame=frame) for seed in range(args.seeds)]
    for name in runs[0]:
        values = [run[name] for run in runs]
        print(f"{name:14} {statistics.mean(values):7.4f}  ({min(values):.4f} to {max(values):.4f})")
    if any(run["exact"] < 1 for run in runs):
        sys.exit("exact copies of held-out rows stayed in train")


def measure(rows: list[Example], *, near: float, seed: int, frame: str) -> dict[str, float]:
    """Recall by edit, shares of real train rows lost, seconds."""
    draw = random.Random(seed)
    rows = draw.sample(rows, k=len(rows))
    texts = [row.messages[0].content for row in rows]
    cut = len(rows) // 5
    framed = [asked(frame + t, row.completion, row.id) for t, row in zip(texts, rows, strict=True)]
    held_out, train = framed[:cut], framed[cut:]
    edited_rows = [
        asked(frame + edited, held_out[number].completion, f"{edit.__name__}/{number}")
        for edit in EDITS
        for number, text in enumerate(texts[:cut])
        if (edited := edit(text, draw)) != text
    ]
    asked_for = {row.key for row in held_out}
    repeated = [row.id for row in train if row.key in asked_for]
    start = time.perf_counter()
    kept, _ = without_copies([*train, *edited_rows], held_out, [], near=near)
    seconds = time.perf_counter() - start
    left = {row.id for row in kept}
    same = [asked(change(row.messages[0].content), row.completion, f"exact/{n}")
            for n, row in enumerate(held_out) for change in (str, str.upper)]  # fmt: skip
    # Apart from the others: what repeats word for word is a share of the rows and would be a frame.
    stayed = without_copies(same, held_out, [], near=near)[0]
    # Judged without the frame, which here stands in front of a single row and tells it from none.
    lost = [row for row in rows[cut:] if row.id not in left]
    result = {edit.__name__: recall(edited_rows, left, edit.__name__) for edit in EDITS}
    result["all edits"] = recall(edited_rows, left, "")
    planted = len(same) + len(repeated)
    result["exact"] = 1 - (len(stayed) + sum(name in left for name in repeated)) / planted
    result["share"] = len(lost) / len(train)
    result["false alarms"] = len(others(lost, rows[:cut], near)) / len(train)
    return result | {"seconds": seconds}


def made_of(templates: int, rows: int = 3000) -> list[Example]:
    """Rows of so many templates; the completion is what the row has of its own."""
    draw = random.Random(0)
    frames_of = [[word(draw) for _ in range(30)] for _ in range(templates)]
    things = [word(draw) for _ in range(2000)]
    made = []
    for number in range(rows):
        text, own = list(draw.choice(frames_of)), draw.choices(things, k=6)
        for at in (22, 14, 6):
            text[at:at] = own[at // 8 * 2 : at // 8 * 2 + 2]
        made.append(asked(" ".join(text), " ".join(own), str(number)))
    return made


def word(draw: random.Random) -> str:
    syllables = range(draw.randint(1, 4))
    return "".join(draw.choice("bcdfghklmnprstvw") + draw.choice("aeiou") for _ in syllables)


def asked(text: str, completion: str, name: str) -> Example:
    messages = (Message("user", text),)
    return Example(name, row_key(messages), messages, completion)


def recall(edited: list[Example], left: set[str], kind: str) -> float:
    made = [row.id for row in edited if row.id.startswith(kind)]
    return sum(name not in left for name in made) / len(made)


def others(lost: list[Example], held_out: list[Example], near: float) -> list[Example]:
    """The lost rows that still leave when only held-out rows with their own completion are gone.

    That is: rows that resemble a row whose answer is another one, and none whose answer is theirs.
    """
    same: dict[str, list[Example]] = {}
    for row in held_out:
        same.setdefault(canonical(row), []).append(row)
    return [
        row for row in lost if without_copies([row], same.get(canonical(row), []), [], near=near)[0]
    ]


def canonical(row: Example) -> str:
    try:
        return json.dumps(json.loads(row.completion), sort_keys=True).casefold()
    except ValueError:
        return row.completion


if __name__ == "__main__":
    main()
