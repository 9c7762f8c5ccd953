"""A completion's facts occur in its prompt, in any form; labels need not."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.data.rules import facts
from pawl.data.rules.facts import UngroundedFacts, schema_labels, ungrounded_values


def found(rows: list[tuple[str, str]], labels: frozenset[str] = frozenset()) -> dict[str, object]:
    collected = UngroundedFacts(labels)
    for number, (prompt, completion) in enumerate(rows):
        collected.add(number, ungrounded_values(prompt, completion))
    return {str(number): facts for number, facts in collected.rows()}


@pytest.mark.parametrize(
    ("prompt", "value"),
    [
        ("My order is ORD-2024-00817.", "ORD-2024-00817"),
        ("my order is ord-2024-00817", "ORD-2024-00817"),
        ("I paid 1,234.50 EUR", "1234.5"),
        ("I paid 1.234,50 EUR", "1234.5"),
        ("I paid 1 234 EUR", "1,234"),
        ("I paid 7.00 euros", "7"),
        ("Number 0042 please", "42"),
        ("We met on July 3rd, 2024", "2024-07-03"),
        ("We met on 3 Jul 2024", "03/07/2024"),
        ("We met on 03/07", "July 3rd"),
        ("A table for two people", "2"),
        ("Ask Lovelace, Ada", "Ada Lovelace"),
        ("play música libre", "Música Libre"),
        ("at 10:30 on 5.6.", "10:30"),
        ("", ""),
    ],
)
def test_a_fact_of_the_prompt_in_another_form_is_none(prompt: str, value: str) -> None:
    assert ungrounded_values(prompt, json.dumps({"value": value})) == ()
    assert ungrounded_values(prompt, value) == ()


@pytest.mark.parametrize(
    ("prompt", "value"),
    [
        ("My order is ORD-2024-00817.", "ORD-2024-00818"),
        ("My order is 12345.", "234"),
        ("I paid 1,234.50 EUR", "1234.6"),
        ("We met on July 3rd, 2024", "2024-08-03"),
        ("A table for two people", "3"),
        ("Ask Ada", "Ada Lovelace"),
        ("Where is it?", "Berlin"),
        ("How much is it?", "19.99 EUR"),
    ],
)
def test_a_fact_that_is_not_in_the_prompt_is_reported(prompt: str, value: str) -> None:
    assert ungrounded_values(prompt, json.dumps({"value": [{"deep": value}]})) == (value,)
    assert ungrounded_values(prompt, value) == (value,)


def test_prose_is_searched_for_numbers_and_names() -> None:
    prompt = "When does my parcel come? I am Ada and ordered on 3 May."
    assert (
        ungrounded_values(prompt, "Dear Ada, your parcel, ordered on 3 May, will come very soon.")
        == ()
    )
    assert ungrounded_values(
        prompt,
        "Dear Ada, your parcel is sent with Rapid Couriers and will come on 12 June for 4.99 EUR.",
    ) == ("12", "4.99", "Rapid Couriers", "June", "EUR")


def test_where_each_noun_has_a_capital_none_is_taken_for_a_name() -> None:
    prose = "wir haben das Paket mit dem Boten und der Rechnung an das Haus von Ada geschickt"
    assert ungrounded_values("wo ist es, fragt ada", prose) == ()


def test_numbers_truth_values_and_keys_of_json_are_read_as_such() -> None:
    assert (
        ungrounded_values("I am 42", '{"age": 42, "adult": true, "city": null, "name99": 42.0}')
        == ()
    )
    assert ungrounded_values("I am 42", '{"age": 43}') == ("43",)


def test_a_value_of_many_rows_is_a_label() -> None:
    rows = [(f"text {n}", json.dumps({"kind": "abc"[n % 3] * 5})) for n in range(300)]
    rows[7] = ("text 7", '{"kind": "Berlin"}')
    assert found(rows) == {"7": ("Berlin",)}


def test_a_rare_label_of_the_schema_is_a_label() -> None:
    schema = {
        "properties": {"kind": {"anyOf": [{"enum": ["Rare", 7, None]}, {"const": "Seldom"}]}},
        "$defs": {"enum": {"const": 1.5}},
    }
    labels = schema_labels(schema)
    assert labels == {"Rare", "7", "Seldom", "1.5"}
    rows = [("x", '{"kind": "rare", "n": 7}'), ("x", '{"kind": "seldom"}'), ("x", '"Rome"')]
    assert found([*rows, ("x", '["Rome"]')], labels) == {"2": ('"Rome"',), "3": ("Rome",)}


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "MAX_STORED", 50)
    monkeypatch.setattr(facts, "MAX_COUNTED", 100)
    collected = UngroundedFacts()
    for number in range(1000):
        collected.add(number, ("label", f"fact {number}"))
    assert len(list(collected.rows())) == 50
    assert len(collected._counts) <= 101
    assert "label" not in {value for _, values in collected.rows() for value in values}


@given(st.text(), st.text())
def test_any_row_is_accepted_and_ungrounded_values_occur_in_the_completion(
    prompt: str, completion: str
) -> None:
    for fact in ungrounded_values(prompt, completion):
        assert fact in completion


@given(st.recursive(st.none() | st.booleans() | st.text(), lambda x: st.lists(x)), st.text())
def test_a_prompt_that_holds_the_completion_grounds_it(value: object, around: str) -> None:
    completion = json.dumps([value], ensure_ascii=False)
    texts = json.dumps([value], ensure_ascii=True)
    prompt = around + " " + " ".join(_leaves(value)) + " " + texts
    assert ungrounded_values(prompt, completion) == ()


@given(st.integers(0, 10**9), st.integers(0, 99))
def test_a_price_is_grounded_with_and_without_separators(whole: int, cents: int) -> None:
    forms = [f"{whole:,}.{cents:02}", f"{whole}.{cents:02}", f"{whole:,}.{cents:02}"]
    forms[2] = forms[2].translate(str.maketrans(",.", ".,"))
    for asked in forms:
        for answered in forms:
            assert ungrounded_values(f"It cost {asked} EUR", json.dumps({"price": answered})) == ()


def test_the_time_for_a_hostile_row_grows_with_its_length_alone() -> None:
    import time

    draw = random.Random(0)
    for unit in ("1,000", "1 000 ", "A a Ab ", "0", '["', "1.", "Ab-"):
        spent = []
        for length in (5_000, 40_000):
            text = unit * (length // len(unit))
            start = time.process_time()
            ungrounded_values(text[: length // 2] + str(draw.random()), text)
            spent.append(time.process_time() - start)
        # Where an expression backtracks, such a row takes minutes.
        assert spent[1] < 2 or spent[1] < 24 * spent[0], unit


def _leaves(value: object) -> list[str]:
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("unit", ["1.", "0.0", "1 000 ", "Aa ", "1:"])
@pytest.mark.timeout(120)
def test_a_row_as_long_as_rows_may_be_is_searched_in_time_that_grows_with_it(unit: str) -> None:
    text = unit * (500_000 // len(unit))
    values = json.dumps([f"{number}.z" for number in range(50_000)])
    # Each of these took minutes, when every number was looked up in the whole of the row.
    for completion in (f"{text}x", values):
        ungrounded_values(text, completion)
