"""The reader names every bad row and accepts no malformed row."""

from __future__ import annotations

import json
import re
import string
from pathlib import Path

import pytest
from ftfy.badness import MOJIBAKE_CATEGORIES, is_bad
from hypothesis import given, settings
from hypothesis import strategies as st

from pawl.core.records import Message
from pawl.data.read.examples import read_examples
from pawl.data.read.row import parse_row, row_key
from pawl.data.read.text_quality import ASCII
from pawl.errors import DataError

GOOD = {"prompt": "p", "completion": "c"}
# Without what is refused: half surrogate pairs, control characters, what looks wrongly decoded.
LEGAL = st.characters(
    exclude_categories=["Cs", "Cc"], exclude_characters="\ufffd\ufeff"
) | st.sampled_from("\t\n")
TEXT = st.text(LEGAL, min_size=1).filter(lambda text: text.strip() and not is_bad(text))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{", "not JSON"),
        (b"[]", "a row is an object"),
        (b'{"prompt": "p"}', "'completion' is missing"),
        (b'{"prompt": " ", "completion": "c"}', "'prompt' is a string that is not blank"),
        (b'{"prompt": 3, "completion": "c"}', "'prompt' is a string"),
        (b'{"prompt": "p", "completion": null}', "'completion' is missing"),
        (b'{"prompt": "p", "completion": NaN}', "NaN is not JSON"),
        (b'{"prompt": "p", "prompt": "q", "completion": "c"}', "the same key twice"),
        (b'{"prompt": "\xff", "completion": "c"}', "not UTF-8"),
        (b'{"prompt": "\\ud800", "completion": "c"}', "half a surrogate pair"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"messages": [{"role": "user", "content": "p"}]}', "ends with an assistant turn"),
        (b'{"messages": [{"role": "narrator", "content": "p"}]}', "user, assistant, tool (or"),
        (b'{"messages": [{"role": "narrator", "content": "p"}]}', ": narrator"),
        (b'{"messages": [], "prompt": "p"}', "and also 'prompt'"),
        (b'{"prompt": "p", "completion": "c", "x": ' + b"[" * 100 + b"]" * 100 + b"}", "too deep"),
        (b'{"prompt": "\xef\xbb\xbfp", "completion": "c"}', "control character U+FEFF"),
        (
            b'{"prompt": "p", "completion": "c", '
            + b",".join(b'"%d": 1' % n for n in range(999))
            + b"}",
            "more than 1,000 keys",
        ),
        (
            '{"prompt": "a' + "\u0300\u0316" * 16 + '", "completion": "c"}',
            "more than 30 marks",
        ),
        (
            '{"prompt": "' + "\u0316\uff9e" * 16 + '", "completion": "c"}',
            "more than 30 marks",
        ),
    ],
)
def test_a_bad_row_is_refused_with_file_line_and_reason(
    tmp_path: Path, line: bytes | str, says: str
) -> None:
    path = tmp_path / "rows.jsonl"
    line = line.encode() if isinstance(line, str) else line
    path.write_bytes(line + b"\n" + json.dumps(GOOD).encode() + b"\n")
    with pytest.raises(DataError) as caught:
        read_examples(path, "data/rows.jsonl")
    assert "data/rows.jsonl:1: " in caught.value.found
    assert says in caught.value.found


def test_all_bad_rows_are_counted_and_an_empty_file_is_no_data(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("{\n" * 25)
    with pytest.raises(DataError, match="and 22 more"):
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


def test_other_keys_become_text_fields_and_null_or_blank_ones_are_left_out() -> None:
    row = GOOD | {"n": 3, "x": 0.5, "flag": True, "who": "Ada", "none": None, "blank": " "}
    fields = parse_row(json.dumps(row).encode(), 2).fields
    assert fields == {"n": "3", "x": "0.5", "flag": "true", "who": "Ada"}


@given(st.text(st.characters(categories=["Ll", "Nd", "Zs"], max_codepoint=0x7F)))
def test_retyping_a_prompt_does_not_change_its_key(text: str) -> None:
    retyped = f"  {text.upper().replace(' ', '   ')}\n"
    assert row_key([Message("user", text)]) == row_key([Message("user", retyped)])


def test_a_byte_order_mark_is_reported_in_any_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    good = json.dumps(GOOD).encode() + b"\n"
    path.write_bytes(good + b"\xef\xbb\xbf" + good)
    with pytest.raises(DataError, match=r"rows\.jsonl:2: it begins with a byte order mark"):
        read_examples(path, path.name)


@pytest.mark.parametrize("secret", ["hunter2", "Ada.Lovelace@example.org", "AKIAIOSFODNN7"])
def test_no_message_about_a_bad_row_shows_a_key_an_id_or_a_value_of_it(
    tmp_path: Path, secret: str
) -> None:
    path = tmp_path / "rows.jsonl"
    twice = GOOD | {"id": secret}
    rows: list[dict[str, object]] = [twice, twice, GOOD | {secret: [1]}, GOOD | {secret: "a\x00"}]
    rows += [
        {"prompt": secret},
        {"prompt": [secret], "completion": secret},
        GOOD | {"id": [secret]},
    ]
    text = "\n".join(json.dumps(row) for row in rows)
    path.write_text(f"{text}\n{{{secret}}}\n[{secret!r}]\n")
    with pytest.raises(DataError) as caught:
        read_examples(path, path.name)
    assert caught.value.found.count("\n") == 6
    assert secret not in str(caught.value)
    assert "rows.jsonl:2: its id is also that of line 1" in caught.value.found


# What ftfy looks for, among runs of ASCII of all lengths.
LOOKED_FOR = re.compile(f"[{''.join(MOJIBAKE_CATEGORIES.values())}]")
ODD = "".join(letter for letter in map(chr, range(0x80, 0x2700)) if LOOKED_FOR.match(letter))
RUNS = st.one_of(
    st.text("ÂÃÎÐØÙàâœŒ°²€™“”вЂГВРСβ€ā√±≈‚Äó×\xa0" + ODD, min_size=1, max_size=3),
    st.text(string.ascii_letters + " .,?!\n", max_size=12),
)


@settings(max_examples=2000)
@given(st.lists(RUNS, max_size=8).map("".join))
def test_mojibake_is_found_without_looking_at_all_plain_text(text: str) -> None:
    assert is_bad(ASCII.sub("", text)) == is_bad(text)
