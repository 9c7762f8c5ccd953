"""A task without a prompt is compared with one that says what its rows say of answers."""

from __future__ import annotations

import json
import random

from hypothesis import given
from hypothesis import strategies as st

from pawl.core.records import Example, Message
from pawl.evaluate.built_prompt import built_prompt


def rows(*answers: str) -> list[Example]:
    return [
        Example(f"r{i}", f"{i:016x}", (Message("user", f"question {i}"),), answer)
        for i, answer in enumerate(answers)
    ]


LABELS = ["refund", "delivery", "damaged", "account", "billing", "other"]


def test_every_label_is_named_though_four_shots_could_not() -> None:
    said = built_prompt(rows(*LABELS * 10))
    assert said.startswith("Answer with exactly one of these")
    assert all(f"- {label}" in said for label in LABELS)


def test_fields_of_an_object_are_named_with_what_they_may_be() -> None:
    draw = random.Random(1)
    answers = [
        json.dumps(
            {"category": draw.choice(LABELS), "order": draw.choice([None, f"AB-{n}"]), "n": n}
            | ({"vip": True} if n % 3 else {}),
            separators=(",", ":"),
        )
        for n in range(60)
    ]
    said = built_prompt(rows(*answers))
    lines = said.splitlines()
    assert "one JSON object on one line, without blanks" in lines[0]
    assert [line.split(":")[0] for line in lines[1:]] == [
        '- "category"', '- "order"', '- "n"', '- "vip"'
    ]  # fmt: skip
    assert all(f'"{label}"' in lines[1] for label in LABELS)
    assert lines[2] == '- "order": a text or null'
    assert lines[3] == '- "n": a number'
    assert lines[4] == '- "vip": true or false; left out where the text does not say'


def test_the_schema_completes_what_rows_lack() -> None:
    schema = {
        "properties": {
            "kind": {"enum": ["a", "b", "never seen"], "description": "what it is about"}
        }
    }
    said = built_prompt(rows(*['{"kind": "a"}'] * 20), schema)
    assert 'one of "a", "b", "never seen" (what it is about)' in said
    assert "without blanks" not in said


def test_free_text_and_calls_get_no_prompt() -> None:
    assert (
        built_prompt(rows(*(f"Dear customer, number {n} is on its way." for n in range(40)))) == ""
    )
    assert built_prompt([]) == ""
    assert built_prompt(rows("yes")) == ""


def test_what_no_tokenizer_takes_and_what_nobody_would_write_down_is_not_built() -> None:
    assert built_prompt(rows(*['{"a": "\\ud83d"}', '{"a": "b"}'] * 10)) == ""
    assert "😀" in built_prompt(rows(*['{"a": "\\ud83d\\ude00"}', '{"a": "b"}'] * 10))
    keyed = [json.dumps({f"customer {n}": 1, f"order {n}": 2}) for n in range(60)]
    assert built_prompt(rows(*keyed)) == ""


@given(
    st.lists(st.text(max_size=90), max_size=60), st.none() | st.dictionaries(st.text(), st.none())
)
def test_whatever_the_answers_are_it_says_only_what_they_show(
    answers: list[str], schema: dict[str, None] | None
) -> None:
    said = built_prompt(rows(*answers), schema)
    assert (
        not said
        or all(
            line[2:] in {answer.strip() for answer in answers}
            for line in said.splitlines()[1:]
            if line.startswith("- ")
        )
        or said.startswith("Answer with one JSON object")
    )
