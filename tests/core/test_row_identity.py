"""One more comma does not make a row another one; another number, sign or symbol does."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pawl.core.records import Example, Message
from pawl.core.row_identity import letters

WORDS = st.lists(st.text("abcdefgäé", min_size=1, max_size=6), min_size=1, max_size=6)
NUMBERS = st.integers(0, 99_999)


def asked(text: str) -> str:
    return letters(Example("1", "k" * 16, (Message("user", text),), "answer"))


DIFFERENT = [
    ("what is 1.5 kg", "what is 15 kg"),
    ("is -5 below zero", "is 5 below zero"),
    ("is −5 below zero", "is 5 below zero"),
    ("3/4 of it", "34 of it"),
    ("pay 12.50", "pay 1250"),
    ("pay 12,50", "pay 1250"),
    ("at 12:30", "at 1230"),
    ("from 10-20", "from 1020"),
    ("just .5 of it", "just 5 of it"),
    ("5% off", "5 off"),
    ("5 % off", "5 off"),
    ("5 € each", "5 $ each"),
    ("£5", "5"),
    ("this one 👍", "this one 👎"),
    ("today ☀", "today ☔"),
    ("I speak C", "I speak C++"),
    ("I speak C", "I speak C#"),
    ("2*3", "23"),
    ("2^3", "23"),
    ("a<b", "a>b"),
    ("a_b", "ab"),
    ("!ready", "ready"),
    ("x != y", "x = y"),
    ("R&D", "RD"),
    ("10°C", "10 C"),
    ("½ cup", "2 cup"),
]
SAME = [
    ("what is it?", "What is it"),
    ("hello, world", "hello world!"),
    ("an e-mail", "an email"),
    ("it's late", "its late"),
    ('"quoted" text', "quoted text"),
    ("(see below)", "see below"),
    ("it costs 5.", "it costs 5"),
    ("1, 2, 3", "1 2 3"),
    ("well... yes", "well yes"),
    ("is −5 cold", "is -5 cold"),
    ("I ❤️ it", "I ❤ it"),
    ("- a point", "a point"),
    ("# Title", "Title"),
    ("really?!", "really"),
    ("and then – nothing", "and then nothing"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_numbers_signs_operators_currencies_and_symbols_make_another_question(
    one: str, other: str
) -> None:
    assert asked(one) != asked(other)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_punctuation_case_and_blanks_make_no_other_question(one: str, other: str) -> None:
    assert asked(one) == asked(other)


@given(WORDS, st.data())
def test_a_text_that_is_punctuated_anew_is_the_same_question(
    words: list[str], data: st.DataObject
) -> None:
    marks = st.sampled_from([" ", ", ", ". ", "; ", " – ", "… ", "\n", '" "', " (", ") ", "! "])
    again = "".join(word.upper() + data.draw(marks) for word in words)
    assert asked(again) == asked(" ".join(words))


@given(NUMBERS, NUMBERS, st.sampled_from([".", ",", ":", "/", "-"]), WORDS)
def test_what_joins_two_numbers_is_kept(a: int, b: int, mark: str, words: list[str]) -> None:
    before, after = words[0], " ".join(words)
    joined = asked(f"{before} {a}{mark}{b} {after}")
    assert joined != asked(f"{before} {a}{b} {after}")
    other = data_other(mark)
    assert joined != asked(f"{before} {a}{other}{b} {after}")


def data_other(mark: str) -> str:
    return {".": ",", ",": ":", ":": "/", "/": "-", "-": "."}[mark]


@given(NUMBERS, WORDS)
def test_a_sign_is_kept_and_a_full_stop_behind_a_number_is_not(n: int, words: list[str]) -> None:
    text = " ".join(words)
    assert asked(f"{text} -{n}") != asked(f"{text} {n}")
    assert asked(f"{text} {n}.") == asked(f"{text} {n}")
    assert asked(f"{n}, {text}") == asked(f"{n} {text}")


@given(st.characters(categories=("Sc", "So", "Sm")), st.characters(categories=("Sc", "So", "Sm")))
def test_another_symbol_is_another_question(one: str, other: str) -> None:
    assume(asked(f"a {one}") != "a")
    same = asked(f"a{one}b") == asked(f"a{other}b")
    assert same == (asked(one) == asked(other))
