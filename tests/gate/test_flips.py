"""Flips are exactly the gate rows in which candidate and champion differ."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.core.records import AdapterManifest, BaseInfo, Example, Message, Score
from pawl.errors import DataError
from pawl.gate.flips import changed, flips


def row(number: int, answer: str = "right") -> Example:
    return Example(f"r{number}", f"k{number}", (Message("user", f"question {number}"),), answer)


def score(number: int, contender: str, value: float, metric: str = "exact_match") -> Score:
    answer = f"{contender} answers {value}"
    return Score(f"r{number}", f"k{number}", contender, "gate", answer, {metric: value})


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40))
def test_every_row_that_one_of_the_two_alone_got_right_is_a_flip_and_no_other(
    pairs: list[tuple[bool, bool]],
) -> None:
    scores = [
        one
        for i, (mine, other) in enumerate(pairs)
        for one in (score(i, "candidate", float(mine)), score(i, "champion", float(other)))
    ]
    found = flips(scores, [row(i) for i in range(len(pairs))], "exact_match")
    assert {flip.id: flip.won for flip in found} == {
        f"r{i}": mine for i, (mine, other) in enumerate(pairs) if mine != other
    }
    for flip in found:
        assert flip.prompt.endswith(flip.id[1:])
        assert (flip.reference, flip.candidate[:9], flip.champion[:8]) == (
            "right", "candidate", "champion",
        )  # fmt: skip


def test_of_a_metric_that_falls_the_smaller_value_wins() -> None:
    scores = [score(1, "candidate", 0.1, "char_error"), score(1, "champion", 0.2, "char_error")]
    assert flips(scores, [row(1)], "char_error")[0].won


def test_a_row_that_was_not_measured_for_both_is_no_flip() -> None:
    lone, other = score(1, "candidate", 1.0), score(2, "champion", 0.0)
    unmeasured = [score(3, "candidate", 1.0), score(3, "champion", 0.0, "char_error")]
    assert flips([lone, other, *unmeasured], [row(1), row(2), row(3)], "exact_match") == []


@pytest.mark.parametrize("stored", [[], [dataclasses.replace(row(1), key="another")]])
def test_a_flip_whose_row_is_not_in_the_stored_data_is_an_error_that_says_so(
    stored: list[Example],
) -> None:
    scores = [score(1, "candidate", 1.0), score(1, "champion", 0.0)]
    with pytest.raises(DataError, match="row 'r1' was judged and is not in the stored rows"):
        flips(scores, stored, "exact_match")


def test_only_changes_of_rows_that_were_trained_on_are_listed() -> None:
    def manifest(*numbers: int) -> AdapterManifest:
        keys = tuple(f"k{number}" for number in numbers)
        return AdapterManifest("t", BaseInfo("b", None, "d"), "data", 8, {}, keys, {})

    earlier = [row(1), row(2), row(3), row(9)]
    later = [row(2, "other"), row(3), row(4), row(9, "held out"), row(8)]
    found = changed(manifest(2, 3, 4), later, manifest(1, 2, 3), earlier)
    assert found.added == ("r4",)
    assert found.removed == ("r1",)
    assert found.relabelled == ("r2",)
