"""An answer that can still come to be right is never given up; one that cannot is, early."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.evaluate.fields import json_equal
from pawl.evaluate.scorers import exact_match
from pawl.evaluate.undecided import may_be_equal, may_match

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-200, 200), st.floats(-9, 9).map(lambda x: round(x, 2)),
    st.text(max_size=5), st.sampled_from(["a", "ab", 1.0, 10, 1e2, "é", "\ud7ff"]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
OBJECTS = st.dictionaries(st.text("abc", max_size=2), VALUES, max_size=4)


@st.composite
def written(draw: st.DrawFn, value: Any) -> str:
    """A JSON text of the value: some spacing, some order, some way to write a whole number."""
    if isinstance(value, dict):
        value = dict(draw(st.permutations(list(value.items()))))
    text = json.dumps(
        value,
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, 1])),
        separators=draw(st.sampled_from([(",", ":"), (", ", " : ")])),
    )
    return draw(st.sampled_from(["", " ", "\n"])) + text + draw(st.sampled_from(["", "\n "]))


@given(st.data(), OBJECTS | VALUES)
def test_no_beginning_of_an_equal_json_text_is_given_up(data: st.DataObject, value: Any) -> None:
    reference, answer = json.dumps(value), data.draw(written(value))
    assert json_equal(answer, reference) == 1
    for end in range(len(answer) + 1):
        assert may_be_equal(answer[:end], reference), (answer[:end], reference)
        assert may_be_equal(answer[:end] + "\ufffd", reference)


@given(st.data(), OBJECTS, OBJECTS)
def test_a_json_text_that_is_given_up_would_not_have_been_equal(
    data: st.DataObject, value: Any, other: Any
) -> None:
    reference = json.dumps(value)
    answer = data.draw(written({**value, **other}) | st.text(max_size=9))
    if not all(may_be_equal(answer[:end], reference) for end in range(len(answer) + 1)):
        assert json_equal(answer, reference) == 0


@given(st.text(max_size=9), st.text(max_size=9), st.sampled_from(["", " ", "\n\t"]))
def test_a_text_is_given_up_at_its_first_other_character_and_not_before(
    reference: str, other: str, blank: str
) -> None:
    same = blank + reference + blank
    assert all(may_match(same[:end], reference) for end in range(len(same) + 1))
    given_up = [end for end in range(len(other) + 1) if not may_match(other[:end], reference)]
    assert not given_up or exact_match(other, reference) == 0


@pytest.mark.parametrize(
    ("begun", "may"),
    [
        ("Sure", False),
        ('{"a": 1', True),
        ('{"a": 12', True),
        ('{"a": 12,', False),
        ('{"a": 1.0, "b"', True),
        ('{"b": "x"', True),
        ('{"b": "y"', True),
        ('{"b": "y",', False),
        ('{"c', True),
        ('{"c"', False),
        ('{"a": 1}', False),
        ('{"a": true', True),
        ('{"a": true}', False),
        ('{"a": 1, "a"', False),
        ("[", False),
        ('{"a": 1, "b": "x"} and', True),
    ],
)
def test_an_object_is_given_up_at_its_first_field_that_is_wrong(begun: str, may: bool) -> None:
    assert may_be_equal(begun, '{"a": 1, "b": "x"}') is may
