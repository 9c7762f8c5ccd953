"""Scores measure the answer; what cannot be measured is absent, never 0."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.errors import DataError
from pawl.evaluate.metrics import mean, summary
from pawl.evaluate.scorers import exact_match, field_accuracy, json_valid, scorers

OBJECTS = st.dictionaries(
    st.text(), st.none() | st.booleans() | st.integers() | st.text(), min_size=1
)


@given(OBJECTS)
def test_the_reference_itself_scores_full_marks(value: dict[str, object]) -> None:
    text = json.dumps(value)
    assert {scorer(text, text) for scorer in scorers({"type": "object"}).values()} == {1.0}


@given(OBJECTS, st.text())
def test_every_score_lies_between_nothing_and_full_marks(
    value: dict[str, object], output: str
) -> None:
    for scorer in scorers(None).values():
        score = scorer(output, json.dumps(value))
        assert score is None or 0 <= score <= 1


def test_json_scores_of_a_reference_that_is_no_json_are_absent() -> None:
    assert json_valid("{}", "plain words") is None
    assert field_accuracy("{}", "[1]") is None
    assert summary([{"a": 1.0}, {}]) == {"a": 1.0}


def test_fields_count_one_by_one_and_true_is_not_one() -> None:
    assert field_accuracy('{"a": 1, "b": true}', '{"a": 1, "b": 1}') == 0.5
    assert field_accuracy("not json", '{"a": 1}') == 0.0
    assert exact_match(' {"a":1}\n', '{"a":1}') == 1.0
    assert json_valid('{"a": NaN}', "{}") == 0.0


def test_the_mean_of_nothing_raises() -> None:
    with pytest.raises(DataError):
        mean([])
