"""Two versions compared: every difference is reported once, under its kind."""

from __future__ import annotations

import dataclasses
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pawl.core.records import Example
from pawl.data.read.row import example_of
from pawl.data.versions.compare import Changed, Moved, compare_rows


def row(number: int, prompt: str, completion: str, name: str = "", **fields: str) -> Example:
    named = {"id": name} if name else {}
    return example_of({"prompt": prompt, "completion": completion, **named, **fields}, number)


FEW = st.lists(st.tuples(st.sampled_from("pqr"), st.sampled_from("xyz")), max_size=12)


def rows_of(pairs: list[tuple[str, str]], names: st.DataObject) -> list[Example]:
    ids = names.draw(st.permutations([f"n{number}" for number in range(12)]))
    return [row(1, ask, tell, name) for (ask, tell), name in zip(pairs, ids, strict=False)]


@given(FEW, FEW, st.data())
def test_every_difference_is_reported_once_and_equal_rows_are_not(
    old: list[tuple[str, str]], new: list[tuple[str, str]], names: st.DataObject
) -> None:
    before, after = rows_of(old, names), rows_of(new, names)
    found = compare_rows(before, after)
    relabelled, added, removed = found.relabelled, found.added, found.removed
    assert len(after) - len(before) == len(added) - len(removed)
    assert len({*added, *(one.id for one in relabelled)}) == len(added) + len(relabelled)
    # As many rows keep their answer as share question and answer in both versions.
    kept = sum((Counter(old) & Counter(new)).values())
    assert len(after) - len(added) - len(relabelled) == kept
    asked = [Counter(ask for ask, _ in pairs) for pairs in (old, new)]
    assert len(added) == sum((asked[1] - asked[0]).values())
    assert len(removed) == sum((asked[0] - asked[1]).values())


@given(FEW, st.data())
def test_a_version_does_not_differ_from_itself_in_any_order(
    pairs: list[tuple[str, str]], names: st.DataObject
) -> None:
    rows = rows_of(pairs, names)
    found = compare_rows(rows, names.draw(st.permutations(rows)))
    assert not any(dataclasses.astuple(found))


def test_each_change_has_its_name() -> None:
    before = [
        row(1, "stays", "a", "one"),
        row(2, "goes", "a", "two"),
        row(3, "is relabelled", "a", "three"),
        row(4, "is renamed", "a", "four"),
        row(5, "moves to another desk", "a", "five", desk="x"),
        row(6, "is Retyped", "a", "six"),
    ]
    after = [
        row(1, "is  retyped", "a", "six"),
        row(2, "moves to another desk", "a", "five", desk="y"),
        row(3, "is renamed", "a", "4"),
        row(4, "is relabelled", "b", "three"),
        row(5, "stays", "a", "one"),
        row(6, "comes", "a", "seven"),
    ]
    found = compare_rows(before, after)
    assert found.added == ("seven",)
    assert found.removed == ("two",)
    assert found.relabelled == (Changed("three", "three", "a", "b"),)
    assert found.moved == (Moved("4", "four"),)
    assert found.touched == ("six", "five")


def test_rows_without_names_that_another_row_pushed_down_have_not_moved() -> None:
    before = [row(number, f"prompt {number}", "a") for number in (1, 2, 3)]
    after = [row(1, "a new first", "a")]
    after += [row(number + 1, f"prompt {number}", "a") for number in (1, 2, 3)]
    found = compare_rows(before, after)
    assert (found.added, found.moved) == (("row-1",), ())
