"""Held-out rows stay held out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pawl.data.read import row_key
from pawl.data.split import side, without_copies
from pawl.params import Split
from pawl.records import Example, Message

POLICY = Split(salt="s", dev=0.1, gate=0.2)


def example(text: str) -> Example:
    messages = (Message("user", text),)
    return Example(text, row_key(messages), messages, "c")


@given(st.lists(st.text(min_size=1), unique=True), st.lists(st.text(min_size=1)))
def test_held_out_rows_stay_held_out_when_data_grows(old: list[str], new: list[str]) -> None:
    before = {text: side(example(text).key, POLICY) for text in old}
    after = {text: side(example(text).key, POLICY) for text in [*new, *reversed(old)]}
    assert all(after[text] == before[text] for text in old)


def test_shares_are_about_what_was_asked_and_the_salt_decides() -> None:
    keys = [example(str(i)).key for i in range(20_000)]
    sides = [side(key, POLICY) for key in keys]
    assert abs(sides.count("gate") / len(sides) - 0.2) < 0.01
    assert abs(sides.count("dev") / len(sides) - 0.1) < 0.01
    other = [side(key, Split(salt="t", dev=0.1, gate=0.2)) for key in keys]
    assert sum(a != b for a, b in zip(sides, other, strict=True)) > 8_000


@given(st.text(st.characters(categories=["Ll", "Nd"]), min_size=1))
def test_a_copy_of_a_held_out_row_leaves_train_never_the_other_way_round(text: str) -> None:
    held_out, copy = example(text), example(f"{text} !!")
    assert without_copies([copy, example(text + "x")], [held_out]) == [example(text + "x")]
