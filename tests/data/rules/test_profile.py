"""Drift is none between a data set and itself, and names what is new where there is some."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pawl.core.records import Drift, Example, Message, Profile, read_record, write_record
from pawl.data.read.examples import read_examples
from pawl.data.rules.profile import drift, profile_of

ROOT = Path(__file__).parents[3]


def example(prompt: str, completion: str) -> Example:
    return Example("r", "k", (Message("user", prompt),), completion)


def profile(rows: list[Example]) -> Profile:
    lengths = [len(row.messages[0].content) for row in rows]
    return profile_of(lengths, [len(row.completion) for row in rows], rows)


def by_name(found: tuple[Drift, ...]) -> dict[str, Drift]:
    return {one.name: one for one in found}


texts = st.text(min_size=1, max_size=60)
rows = st.lists(st.builds(example, texts, texts), min_size=1, max_size=30)


@given(rows, rows)
def test_every_drift_is_a_share_and_that_from_itself_is_none(
    one: list[Example], other: list[Example]
) -> None:
    assert all(found.value == 0 for found in drift(profile(one), profile(one)))
    assert all(0 <= found.value <= 1 for found in drift(profile(one), profile(other)))


def test_a_profile_survives_being_written(tmp_path: Path) -> None:
    made = profile([example("hello there", '{"a": "b"}')] * 3)
    write_record(tmp_path / "profile.json", made)
    assert read_record(tmp_path / "profile.json", Profile) == made


def test_the_next_delivery_of_tickets_is_near_and_a_new_category_is_named() -> None:
    v1, v2 = (
        list(read_examples(ROOT / "examples" / "tickets" / f"{v}.jsonl", f"{v}.jsonl").examples)
        for v in ("v1", "v2")
    )
    near = by_name(drift(profile(v2), profile(v1)))
    assert near["labels of category"].value < 0.1
    new = [
        example(row.messages[0].content + " warranty", json.dumps({"category": "warranty"}))
        for row in v2[:500]
    ]
    far = by_name(drift(profile(v2[500:] + new), profile(v2)))
    assert far["labels of category"].value > near["labels of category"].value
    assert '"warranty"' in far["labels of category"].says
    assert "warranty" in far["vocabulary"].says


def test_longer_prompts_show_as_such() -> None:
    short = profile([example("a few words", "yes")] * 20)
    long = profile([example("a few words " * 20, "yes")] * 20)
    found = by_name(drift(long, short))
    assert found["prompt length"].value == 1
    assert found["completion length"].value == 0


def test_a_value_that_few_rows_have_is_no_part_of_a_profile() -> None:
    made = profile([example("p", json.dumps({"n": "a"}))] * 999 + [example("p", '{"n": "rare"}')])
    assert set(made.labels["n"]) == {'"a"'}


def test_no_rare_word_and_no_copied_value_is_stored_in_a_profile() -> None:
    made = profile(
        [example(f"order number, client{i}", json.dumps({"n": f"n{i}"})) for i in range(400)]
        + [example("Zbigniew writes", json.dumps({"n": "n"}))]
    )
    assert "zbigniew" not in made.words
    assert "order" in made.words
    assert made.labels == {}
