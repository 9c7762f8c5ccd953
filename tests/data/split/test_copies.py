"""Copies of held-out rows leave train; rows that only share boilerplate stay."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.core.records import Example, HeldOutRow, Message
from pawl.data.read.examples import read_examples
from pawl.data.read.row import row_key
from pawl.data.split.boilerplate import Boilerplate
from pawl.data.split.copies import HeldOutIndex, without_copies
from pawl.data.split.minhash import bands

NEAR = 0.7


def example(text: str, completion: str = "c") -> Example:
    messages = (Message("user", text),)
    return Example(text, row_key(messages), messages, completion)


def words(seed: int, count: int) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=7)) for _ in range(count)]


@given(st.text(st.characters(categories=["Ll", "Nd"]), min_size=1))
def test_a_copy_of_a_held_out_row_leaves_train_never_the_other_way_round(text: str) -> None:
    held_out, copy, other = example(text), example(f"{text} !!"), example("nothing like IT, is it")
    kept, dropped = without_copies([copy, other], [held_out], [], near=NEAR)
    assert (kept, dropped["copy"]) == ([other], 1)


@given(st.integers(0, 1000), st.integers(0, 60), st.characters(categories=["Ll"]))
def test_a_typing_error_in_a_longer_prompt_makes_no_new_row(seed: int, at: int, typed: str) -> None:
    text = " ".join(words(seed, 10))
    kept, dropped = without_copies(
        [example(text[:at] + typed + text[at:])], [example(text)], [], near=NEAR
    )
    assert (kept, sum(dropped.values())) == ([], 1)


@given(st.lists(st.text(min_size=1), min_size=1), st.lists(st.text(min_size=1)))
def test_every_row_remains_or_is_counted_once(train: list[str], held_out: list[str]) -> None:
    rows = [example(text) for text in train]
    kept, dropped = without_copies(rows, [example(text) for text in held_out], [], near=NEAR)
    assert len(kept) + sum(dropped.values()) == len(rows)
    assert [row for row in rows if row in kept] == kept


def test_prompts_without_letters_are_compared_as_they_are() -> None:
    kept, _ = without_copies([example("😀"), example("😡")], [example("😡")], [], near=NEAR)
    assert kept == [example("😀")]


def test_an_instruction_that_all_prompts_share_makes_them_no_copies() -> None:
    frame = " ".join(words(0, 200))
    rows = [example(f"{frame}: {' '.join(words(n, 5))}") for n in range(1, 101)]
    kept, _ = without_copies(rows[:80], rows[80:], [], near=NEAR)
    assert kept == rows[:80]
    copy = example(f"{frame}: {' '.join(words(100, 5))} please")
    kept, dropped = without_copies([*rows[:80], copy], rows[80:], [], near=NEAR)
    assert (kept, dropped["near_copy"]) == (rows[:80], 1)


@pytest.mark.parametrize("templates", [1, 3, 10, 30])
def test_rows_of_many_templates_are_no_copies_but_their_edited_copies_are(templates: int) -> None:
    rows = [example(templated(n, number=n % templates)) for n in range(1500)]
    edited = [example(mistyped(row.id)) for row in rows[:100]]
    kept, dropped = without_copies([*rows[300:], *edited], rows[:300], [], near=NEAR)
    left = {row.id for row in kept}
    assert sum(row.id in left for row in rows[300:]) >= 0.9 * 1200
    assert sum(row.id in left for row in edited) <= 5
    assert sum(dropped.values()) == 1300 - len(kept)


def test_the_same_content_in_another_template_is_another_question() -> None:
    rows = [example(templated(n, number=n % 3)) for n in range(300)]
    other = example(templated(0, number=1))
    kept, _ = without_copies([*rows[1:], other], rows[:1], [], near=NEAR)
    assert other in kept


def templated(row: int, *, number: int) -> str:
    """Thirty words that all rows of a template share, around six of the row's own."""
    frame, own = words(number, 30), words(10_000 + row, 6)
    return " ".join([*frame[:9], *own[:3], *frame[9:20], *own[3:], *frame[20:]])


def mistyped(text: str) -> str:
    """One letter wrong, in the template or in the row's own words."""
    at = random.Random(text).randrange(len(text))
    return f"{text[:at]}q{text[at + 1 :]}"


@given(st.floats(0.06, 1))
def test_pairs_at_the_threshold_are_nearly_always_candidates(near: float) -> None:
    count, rows = bands(near)
    assert count * rows <= 128
    assert (1 - near**rows) ** count <= 0.001


def test_every_repeated_and_every_leaked_prompt_of_snips_is_found(snips: Path) -> None:
    train = read_examples(snips / "train_full.jsonl", "train_full.jsonl", drop=0.01).examples
    test = read_examples(snips / "test.jsonl", "test.jsonl").examples
    prompts = [row.messages[0].content for row in train]
    assert len(prompts) - len(set(prompts)) == 169
    # Repeated but for case, blanks and Unicode forms, they share the key and with it the side.
    assert len(train) - len({row.key for row in train}) == 207
    leaked = {row.messages[0].content.lower() for row in test}
    planted = [row for row in train if row.messages[0].content.lower() in leaked]
    assert len(planted) == 11
    kept, dropped = without_copies(train, test, [], near=NEAR)
    assert not {row.id for row in planted} & {row.id for row in kept}
    assert dropped["copy"] >= 11


def test_the_check_names_every_repeated_prompt_of_snips(snips: Path) -> None:
    from pawl.config.judging import Evaluate, Gate
    from pawl.config.schema import Check, Split, Task, Train
    from pawl.core.records import BaseRef
    from pawl.data.rules.columns import Columns
    from pawl.data.rules.facts import UngroundedFacts
    from pawl.data.rules.great_expectations import validate
    from pawl.data.rules.measure import RowMeasures
    from pawl.data.rules.suite import suite

    section = Task("d", BaseRef("b"), Check(), Split("s"), Train(), Evaluate(), Gate())
    rows = read_examples(snips / "train_full.jsonl", "train_full.jsonl", drop=0.01).examples
    columns = Columns(UngroundedFacts())
    seen = (
        (row, RowMeasures(int(row.key, 16), 0, 0, 0, 0, {}, (), (), free=False)) for row in rows
    )
    assert tuple(columns.collect(seen, slice_by=None)) == rows
    duplicates = [rule for rule in suite(section, has_schema=False) if rule.name == "duplicates"]
    outcome = validate(columns.frame(), duplicates, name="snips")["duplicates"]
    keys = Counter(row.key for row in rows)
    repeated = [number for number, row in enumerate(rows) if keys[row.key] > 1]
    assert not outcome.passed
    assert list(outcome.rows) == repeated
    assert len(repeated) > 169


def test_registered_rows_are_indexed_like_any_other() -> None:
    row = example("where is my parcel, it should be here by now")
    known = HeldOutRow(row.key, row.id, "gate", row.messages, "c", "t/s", 1)
    held = HeldOutIndex([known], boilerplate=Boilerplate([]), near=NEAR)
    assert held.has_copy(row)
    assert held.has_near_copy(example("where is my parcel, it shuold be here by now"))
    assert not held.has_near_copy(example(json.dumps("something else")))
