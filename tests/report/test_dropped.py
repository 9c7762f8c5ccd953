"""Rows that are left out of train are told, and where they are many so is the way out."""

from __future__ import annotations

import pytest

from pawl.data.split.copies import without_copies
from pawl.report.dropped import CAUSES, dropped_text


def test_nothing_left_out_is_nothing_to_say() -> None:
    assert dropped_text(10, {"copy": 0, "near_copy": 0, "known_gate_row": 0}) == ()


def test_each_cause_is_counted_and_a_few_rows_are_no_warning() -> None:
    (line,) = dropped_text(97, {"copy": 1, "near_copy": 2, "known_gate_row": 0})
    assert line == (
        "left out of train: 1 the same letters as a held-out row, 2 near-copies of a held-out row"
    )


def test_what_left_dev_is_told_and_is_no_loss_of_train() -> None:
    assert dropped_text(10, {"copy": 0, "dev_copy": 9}) == (
        "left out of dev: 9 the same letters as a gate row",
    )
    assert len(dropped_text(97, {"copy": 1, "dev_copy": 90})) == 2


@pytest.mark.parametrize(
    ("cause", "says"),
    [("copy", "repeated"), ("near_copy", "raise `split.near`"), ("known_gate_row", "add rows")],
)
def test_more_than_a_tenth_is_a_warning_that_says_what_to_do(cause: str, says: str) -> None:
    _, warning = dropped_text(80, {"copy": 1, "near_copy": 1, "known_gate_row": 1, cause: 18})
    assert warning.startswith("warning: 20% of the train rows")
    assert says in warning


def test_every_cause_of_the_split_has_words() -> None:
    assert without_copies([], [], [], near=0.7)[1].keys() == CAUSES.keys()
