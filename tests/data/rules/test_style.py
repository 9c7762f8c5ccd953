"""Rows that are written otherwise than nearly all others are named, with what they break."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.data.rules import style
from pawl.data.rules.style import StyleConventions, traits

ROW = {"category": "delivery", "urgency": "high", "order": "AB-12345", "count": 3}


def broken(completions: list[str]) -> dict[str, str]:
    collected = StyleConventions()
    for number, completion in enumerate(completions):
        collected.add(number, traits(completion))
    return {str(number): breach for number, breach in collected.rows()}


@pytest.mark.parametrize(
    ("odd", "says"),
    [
        (json.dumps(ROW), "separators: with blanks; 99 % of rows: compact"),
        (json.dumps(ROW, indent=2), "separators: lines, indented by 2"),
        (json.dumps(ROW, separators=(", ", ":")), "separators: mixed"),
        (json.dumps(ROW, separators=(",", ":"), sort_keys=True),
         "order of the keys category, count, order, urgency: category, count, order, urgency; "
         "99 % of rows: category, urgency, order, count"),
        (json.dumps(ROW | {"category": "Delivery"}, separators=(",", ":")),
         "category, spelt delivery: Delivery; 99 % of rows: delivery"),
        (json.dumps(ROW | {"count": "3"}, separators=(",", ":")),
         "count is: a text; 99 % of rows: a number"),
        (json.dumps(ROW, separators=(",", ":")) + "\n", "blanks around: a line end after"),
        (" " + json.dumps(ROW, separators=(",", ":")), "blanks around: a blank before"),
        (str(ROW), "form: like JSON, which it is not"),
        ("The category is delivery.", "form: text; 99 % of rows: JSON"),
        ("```json\n{}\n```", "form: text in a code fence"),
    ],
)  # fmt: skip
def test_one_row_that_breaks_a_convention_is_reported_with_it(odd: str, says: str) -> None:
    rows = [json.dumps(ROW, separators=(",", ":"))] * 100
    rows[40] = odd
    found = broken(rows)
    assert list(found) == ["40"]
    assert says in found["40"]


@pytest.mark.parametrize(
    ("odd", "says"),
    [
        ("Your parcel will come soon", "end: without punctuation; 98 % of rows: with punctuation"),
        ("your parcel will come soon.", "first letter: small; 98 % of rows: capital"),
    ],
)
def test_prose_has_conventions_too(odd: str, says: str) -> None:
    rows = ['It is "sent", and will come soon.'] * 50
    rows[0] = odd
    found = broken(rows)
    assert list(found) == ["0"]
    assert says in found["0"]


def test_a_label_in_other_letters_is_reported() -> None:
    assert set(broken(["on_hold"] * 40 + ["On Hold", "on-hold", "ONHOLD", "sent"])) == {
        "40",
        "41",
        "42",
    }


def test_letters_beyond_ascii_are_written_in_one_way() -> None:
    rows = [json.dumps({"name": "Zoë"}, ensure_ascii=False)] * 60
    assert list(broken([*rows, json.dumps({"name": "Zoë"})])) == ["60"]


def test_where_there_is_no_custom_no_row_breaks_it() -> None:
    rows = [json.dumps(ROW), json.dumps(ROW, separators=(",", ":"))] * 50
    assert broken(rows) == {}


def test_few_rows_make_no_custom() -> None:
    assert broken(['{"a":1}'] * 10 + ['{"a": 1}']) == {}


def test_early_rows_are_reported_though_the_convention_emerges_later() -> None:
    rows = ['{"a": 1, "b": 2}'] * 30 + ['{"a":1,"b":2}'] * 400
    assert set(broken(rows)) == {str(number) for number in range(30)}


def test_spelling_and_order_of_copied_values_are_not_style() -> None:
    prompt, other = "fly from Rome to oslo", "fly to Oslo from rome"
    first = '{"from": "Rome", "to": "oslo"}'
    assert "order" not in str(traits(first, prompt))
    assert "spelt" not in str(traits(first, prompt))
    assert "order" in str(traits(first, "fly to oslo from Rome"))
    assert "spelt oslo" in str(traits(first, other))


def test_a_text_that_looks_like_a_separator_is_none() -> None:
    value = {"a": 'he said ": " and ", "', "b": 1}
    assert ("separators", "compact") in traits(json.dumps(value, separators=(",", ":")))
    assert ("separators", "with blanks") in traits(json.dumps(value))


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "MAX_TRAITS", 100)
    monkeypatch.setattr(style, "MAX_STORED", 10)
    collected = StyleConventions()
    for number in range(3000):
        spelt = "compact" if number % 100 else "with blanks"
        collected.add(number, ((f"spelt {number}", "x"), ("separators", spelt)))
    assert len(list(collected.rows())) == 10
    assert len(collected._aspects) <= 100


TEXT = st.text(max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(TEXT, JSON, min_size=2, max_size=4), st.booleans(), st.booleans())
def test_rows_written_by_one_program_have_the_same_traits(
    value: dict[str, object], compact: bool, escaped: bool
) -> None:
    separators = (",", ":") if compact else (", ", ": ")
    written = json.dumps(value, separators=separators, ensure_ascii=escaped)
    found = dict(traits(written))
    assert found["form"] == "JSON"
    assert found["separators"] == ("compact" if compact else "with blanks")
    assert found["blanks around"] == "none"


@given(st.text(), st.text())
def test_no_row_is_too_odd(completion: str, prompt: str) -> None:
    names = [aspect for aspect, _ in traits(completion, prompt)]
    assert len(names) == len(set(names))
