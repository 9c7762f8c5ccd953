"""The reader names every bad row and takes no row that is not what it seems."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ftfy.badness import is_bad
from hypothesis import given
from hypothesis import strategies as st

from pawl.data.read import parse_row, read_examples, row_key
from pawl.errors import DataError
from pawl.records import Message

GOOD = {"prompt": "p", "completion": "c"}
# Without what is refused: half surrogate pairs, control characters, what looks wrongly decoded.
LEGAL = st.characters(
    exclude_categories=["Cs", "Cc"], exclude_characters="\ufffd"
) | st.sampled_from("\t\n")
TEXT = st.text(LEGAL, min_size=1).filter(lambda text: text.strip() and not is_bad(text))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{", "not JSON"),
        (b"[]", "a row is an object"),
        (b'{"prompt": "p"}', "'completion' is missing"),
        (b'{"prompt": " ", "completion": "c"}', "'prompt' is a string that is not blank"),
        (b'{"prompt": "p", "completion": 3}', "'completion' is a string"),
        (b'{"prompt": "p", "completion": NaN}', "NaN is not JSON"),
        (b'{"prompt": "p", "prompt": "q", "completion": "c"}', "a key stands twice"),
        (b'{"prompt": "\xff", "completion": "c"}', "not UTF-8"),
        (b'{"prompt": "\\ud800", "completion": "c"}', "half a surrogate pair"),
        (b'\xef\xbb\xbf{"prompt": "p", "completion": "c"}', "byte order mark"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"messages": [{"role": "user", "content": "p"}]}', "ends with an assistant turn"),
        (b'{"messages": [{"role": "bot", "content": "p"}]}', "a 'role' is none of"),
        (b'{"prompt": "p", "completion": "c", "x": [1]}', "'x' is a text, a number or a truth"),
        (b'{"messages": [], "prompt": "p"}', "which one counts"),
    ],
)
def test_a_bad_row_is_refused_with_file_line_and_reason(
    tmp_path: Path, line: bytes, says: str
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(line + b"\n" + json.dumps(GOOD).encode() + b"\n")
    with pytest.raises(DataError) as caught:
        read_examples(path, "data/rows.jsonl")
    assert "data/rows.jsonl:1: " in caught.value.found
    assert says in caught.value.found


def test_all_bad_rows_are_counted_and_an_empty_file_is_no_data(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("{\n" * 25)
    with pytest.raises(DataError, match="and 15 more"):
        read_examples(path, "rows.jsonl")
    path.write_text("")
    with pytest.raises(DataError, match="no rows"):
        read_examples(path, "rows.jsonl")


@given(st.lists(TEXT, min_size=2, max_size=2), st.sampled_from(["prompt", "messages"]))
def test_what_is_written_is_what_is_read(texts: list[str], form: str) -> None:
    prompt, completion = texts
    row: dict[str, object] = {"prompt": prompt, "completion": completion}
    if form == "messages":
        turns = [("user", prompt), ("assistant", completion)]
        row = {"messages": [{"role": role, "content": text} for role, text in turns]}
    example = parse_row(json.dumps(row, ensure_ascii=False).encode(), 7)
    assert (example.messages[0].content, example.completion) == (prompt, completion)
    assert example.id == "row-7"


def test_further_keys_are_kept_as_text_and_what_is_null_or_blank_is_not_there() -> None:
    row = GOOD | {"n": 3, "x": 0.5, "flag": True, "who": "Ada", "none": None, "blank": " "}
    fields = parse_row(json.dumps(row).encode(), 2).fields
    assert fields == {"n": "3", "x": "0.5", "flag": "true", "who": "Ada"}


@given(st.text(st.characters(categories=["Ll", "Nd", "Zs"], max_codepoint=0x7F)))
def test_retyping_a_prompt_does_not_change_its_key(text: str) -> None:
    retyped = f"  {text.upper().replace(' ', '   ')}\n"
    assert row_key([Message("user", text)]) == row_key([Message("user", retyped)])
