"""What nearly repeats an earlier row is found, as the split would find it; so are templates."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pawl.core.records import Example, Message
from pawl.core.row_identity import letters, prompt_text
from pawl.data.read.examples import read_examples
from pawl.data.read.row import row_key
from pawl.data.rules.near_duplicates import near_duplicates, templates
from pawl.data.split.boilerplate import Boilerplate, shingles
from pawl.data.split.copies import HeldOutIndex, jaccard
from pawl.data.split.minhash import signatures

NEAR = 0.7
ROOT = Path(__file__).parents[3]


def example(text: str) -> Example:
    messages = (Message("user", text),)
    return Example(text, row_key(messages), messages, "c")


def words(seed: int, count: int) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=7)) for _ in range(count)]


def mistyped(text: str, seed: int) -> str:
    at = random.Random(seed).randrange(len(text))
    return f"{text[:at]}q{text[at + 1 :]}"


def some_near() -> list[Example]:
    """Rows in two templates, each third one a mistyped copy of an earlier one."""
    texts: list[str] = []
    for number in range(300):
        if number % 3 == 2:
            texts.append(mistyped(texts[random.Random(number).randrange(number)], number))
        else:
            frame, own = words(number % 2, 12), words(1000 + number, 6)
            texts.append(" ".join([*frame[:6], *own[:3], *frame[6:], *own[3:]]))
    # Two typing errors at one place leave the same text.
    return [example(text) for text in dict.fromkeys(texts)]


def test_near_is_what_is_near_to_the_split() -> None:
    rows = some_near()
    frames = Boilerplate([prompt_text(row) for row in rows])
    found = {later for later, _, _ in near_duplicates(rows, near=NEAR)}
    for at, row in [*enumerate(rows)][::7]:
        before = HeldOutIndex(rows[:at], boilerplate=frames, near=NEAR)
        assert (at in found) == (before.has_copy(row) or before.has_near_copy(row)), row.id


def test_each_row_is_paired_with_the_earlier_row_that_is_most_like_it() -> None:
    rows = some_near()
    frames = Boilerplate([prompt_text(row) for row in rows])
    contents = [frames.content(prompt_text(row)) for row in rows]
    pairs = near_duplicates(rows, near=NEAR)
    assert len(pairs) >= 70
    for later, earlier, alike in pairs:
        mine = contents[later]
        each = [
            min(jaccard(mine.own, other.own), jaccard(mine.whole, other.whole))
            for other in contents[:later]
        ]
        assert earlier < later
        assert letters(rows[later]) == letters(rows[earlier]) or alike == each[earlier] == max(each)


@given(st.lists(st.text(min_size=1), max_size=30), st.floats(0.1, 1))
def test_pairs_are_of_rows_with_different_keys_each_row_once_the_nearest_first(
    texts: list[str], near: float
) -> None:
    rows = [example(text) for text in texts]
    pairs = near_duplicates(rows, near=near)
    assert all(earlier < later for later, earlier, _ in pairs)
    assert all(rows[later].key != rows[earlier].key for later, earlier, _ in pairs)
    assert len({later for later, _, _ in pairs}) == len(pairs)
    assert [-alike for *_, alike in pairs] == sorted(-alike for *_, alike in pairs)
    assert all(near <= alike <= 1 for *_, alike in pairs)


@given(st.text(st.characters(categories=["Ll", "Nd"]), min_size=1))
def test_the_same_letters_are_the_nearest_of_all(text: str) -> None:
    rows = [example(text), example("nothing like IT, is it"), example(f"{text} !!")]
    assert near_duplicates(rows, near=1.0) == [(2, 0, 1.0)]


def test_a_delivery_of_one_template_is_searched_in_time_and_its_copies_found() -> None:
    own = [" ".join(words(n, 3)) for n in range(5000)]
    asked = [*own, *(mistyped(text, 0) for text in own[:5])]
    rows = [example(f"where is my order {text} please, I need it") for text in asked]
    found = {(later, earlier) for later, earlier, _ in near_duplicates(rows, near=NEAR)}
    assert found == {(5000 + number, number) for number in range(5)}


def test_signatures_agree_as_often_as_shingles_do() -> None:
    texts = [shingles(" ".join(words(7, 20)[:count])) for count in range(4, 21)]
    found = signatures(texts)
    for own, mine in zip(texts, found, strict=True):
        agree = float(np.mean(mine == found[-1]))
        assert abs(agree - jaccard(own, texts[-1])) <= 4 * 0.5 / 128**0.5


def test_signatures_are_the_same_in_every_process() -> None:
    code = (
        "from pawl.data.split.boilerplate import shingles\n"
        "from pawl.data.split.minhash import signatures\n"
        "print(signatures([shingles('where is my parcel')])[0].tolist())"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT / "src")},
            check=True, capture_output=True, text=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(said) == 1


def test_a_template_is_reported_with_the_rows_that_are_little_more() -> None:
    made = [example(f"where is my order {number} please answer me soon") for number in range(60)]
    rows = [*made[:30], *(example(" ".join(words(n, 9))) for n in range(200)), *made[30:]]
    (found,) = templates(rows)
    assert found.rows == (*range(30), *range(230, 260))
    assert found.beginning == "where is my order … please answer me soon"


def test_an_instruction_in_front_of_real_content_is_no_template() -> None:
    frame = " ".join(words(0, 200))
    assert templates([example(f"{frame}: {' '.join(words(n, 9))}") for n in range(1, 101)]) == []


def test_few_rows_of_a_template_and_none_at_all_are_nothing() -> None:
    assert templates([]) == []
    assert near_duplicates([], near=NEAR) == []
    assert near_duplicates([example(" "), example("a"), example("\n\n")], near=NEAR) == []
    assert templates([example(f"where is my order {n} please") for n in range(20)]) == []


def chat_rows(number: int) -> list[Example]:
    """Two answers of a chat as rows of their own, behind functions and a system turn of all."""
    first = Message("user", " ".join(words(number, 9)))
    then = Message("user", " ".join(words(1000 + number, 3)))
    shared = (Message("tools", " ".join(words(7, 60))), Message("system", " ".join(words(8, 20))))
    turns = (*shared, first, Message("assistant", "done"), then)
    return [Example(f"{number}#1", row_key(turns[:3]), turns[:3], "done"),
            Example(f"{number}#2", row_key(turns), turns, "again")]  # fmt: skip


def test_turns_of_one_chat_are_no_copies_and_functions_no_template() -> None:
    rows = [row for number in range(40) for row in chat_rows(number)]
    assert near_duplicates(rows, near=NEAR) == []
    assert templates(rows) == []


def test_the_tickets_and_snips_are_no_templates(snips: Path) -> None:
    tickets = read_examples(ROOT / "examples" / "tickets" / "v2.jsonl", "v2.jsonl").examples
    assert templates(tickets) == []
    rows = read_examples(snips / "train_full.jsonl", "train_full.jsonl", drop=0.01).examples
    assert templates(rows) == []
