"""Rows whose answer disagrees with their neighbours are found; free text never is."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawl.core.records import Example, Message
from pawl.data.read.examples import read_examples
from pawl.data.read.row import row_key
from pawl.data.rules.fields import fields_of
from pawl.data.rules.label_noise import label_noise

TICKETS = Path(__file__).parents[3] / "examples" / "tickets"
CAUSES = {"refund": "money back", "damaged": "came broken", "delivery": "has not arrived"}


def example(text: str, completion: str, name: str = "") -> Example:
    messages = (Message("user", text),)
    return Example(name or text, row_key(messages), messages, completion)


def tickets(version: str) -> list[Example]:
    name = f"{version}.jsonl"
    return read_examples(TICKETS / name, name).examples


def orders(count: int, *, seed: int = 0) -> list[Example]:
    """Rows whose prompt has the cause and, in two of three, the order number."""
    draw, rows = random.Random(seed), []
    for number in range(count):
        label, cause = draw.choice(list(CAUSES.items()))
        order = f"ab-{draw.randrange(10**5):05d}" if number % 3 else None
        about = f"from order {order}" if order else "from the shop"
        text = f"{draw.choice(('hello', 'hi', 'dear all'))} my thing {number} {about} {cause}"
        rows.append(example(text, json.dumps({"category": label, "order": order})))
    return rows


def relabelled(row: Example, **fields: object) -> Example:
    return replace(row, completion=json.dumps(json.loads(row.completion) | fields))


def wrong_label(row: Example) -> str:
    said = json.loads(row.completion)["category"]
    return next(label for label in CAUSES if label != said)


def found(rows: Sequence[Example]) -> dict[int, str]:
    return {suspect.index: suspect.reason for suspect in label_noise(rows)}


def test_the_worst_hundred_of_the_damaged_delivery_are_damaged() -> None:
    rows = tickets("v3")
    suspects = label_noise(rows)
    damaged = [rows[suspect.index].id.startswith("vx-") for suspect in suspects]
    assert sum(damaged[:100]) >= 95
    assert sum(damaged) >= 0.8 * len(suspects)
    assert sum(damaged) >= 0.6 * 2500


@pytest.mark.parametrize(("version", "most"), [("v1", 10), ("v2", 25)])
def test_clean_rows_are_hardly_ever_suspect(version: str, most: int) -> None:
    assert len(label_noise(tickets(version))) <= most


def test_worst_comes_first_each_row_once_and_the_same_each_time() -> None:
    rows = tickets("v3")[1500:3500]
    suspects = label_noise(rows)
    assert suspects == label_noise(rows)
    assert [s.score for s in suspects] == sorted((s.score for s in suspects), reverse=True)
    assert len({s.index for s in suspects}) == len(suspects)
    assert all(0 < s.score <= 1 for s in suspects)


def test_clean_rows_of_a_copied_and_a_labelled_field_leave_nothing_to_say() -> None:
    assert label_noise(orders(300)) == []


@given(st.integers(0, 299))
def test_a_wrong_label_is_found_and_what_its_neighbours_say(at: int) -> None:
    rows = orders(300)
    wrong, right = wrong_label(rows[at]), json.loads(rows[at].completion)["category"]
    rows[at] = relabelled(rows[at], category=wrong)
    says = found(rows)
    assert list(says) == [at]
    assert f"category={wrong}" in says[at]
    assert f"near neighbours say {right}" in says[at]


def test_a_value_that_is_not_in_its_prompt_is_found_and_not_shown() -> None:
    rows = orders(300)
    rows[7] = relabelled(rows[7], order="zz-98765")
    assert found(rows) == {7: "says order=xx-99999, which is not in its prompt"}


def test_null_is_found_where_the_prompt_holds_what_others_copy() -> None:
    rows = orders(300)
    rows[7] = relabelled(rows[7], order=None)
    says = found(rows)
    assert list(says) == [7]
    assert "order=null" in says[7]
    assert "copy a value from the prompt" in says[7]


def test_a_plain_text_label_is_judged_like_a_field() -> None:
    rows = [replace(row, completion=json.loads(row.completion)["category"]) for row in orders(300)]
    assert label_noise(rows) == []
    right = rows[5].completion
    rows[5] = replace(rows[5], completion=next(label for label in CAUSES if label != right))
    assert found(rows)[5].endswith(f"near neighbours say {right}")


def test_duplicates_of_a_wrong_row_do_not_speak_for_it() -> None:
    rows = orders(300)
    wrong = relabelled(rows[9], category=wrong_label(rows[9]))
    rows = [*rows[:9], *[wrong] * 40, *rows[10:]]
    assert set(found(rows)) == set(range(9, 49))


def test_labels_that_prompts_do_not_determine_are_not_suspect() -> None:
    draw = random.Random(1)
    rows = [replace(row, completion=draw.choice("abc")) for row in orders(600)]
    assert label_noise(rows) == []


@settings(max_examples=20)
@given(st.lists(st.text(min_size=1), min_size=50, max_size=60), st.randoms())
def test_free_text_is_never_doubted(texts: list[str], draw: random.Random) -> None:
    rows = [
        example(f"{number} {text}", "".join(draw.sample("abcdefghijklmnop", 16)))
        for number, text in enumerate(texts)
    ]
    assert label_noise(rows) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3),
    lambda part: (
        st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=2), part, max_size=3)
    ),
)


@given(
    st.lists(st.tuples(st.text(min_size=1), JSON.map(json.dumps) | st.text()), max_size=12),
    st.integers(1, 12),
)
def test_any_rows_are_judged_without_an_error(said: list[tuple[str, str]], times: int) -> None:
    rows = [example(text, completion) for text, completion in said] * times
    assert {suspect.index for suspect in label_noise(rows)} <= set(range(len(rows)))


@pytest.mark.parametrize("completion", ["[" * 5000, '{"a":' * 90 + "1" + "}" * 90, "9" * 5000])
def test_deep_and_huge_completions_are_no_labels(completion: str) -> None:
    assert fields_of([completion] * 60, ["a"] * 60) == []


def test_paths_name_the_fields_of_nested_objects() -> None:
    said = [{"a": {"b": "xyz"[n % 3]}, "tags": ["p", "q"][: n % 2 + 1]} for n in range(60)]
    found = fields_of([json.dumps(value) for value in said], ["none"] * 60)
    assert [field.name for field in found] == ["a.b", "tags"]
