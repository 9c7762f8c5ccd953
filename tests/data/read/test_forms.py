"""Rows in the field's forms are read as what they are, and no key of one is dropped in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pawl.config.schema import Check
from pawl.data.read.examples import Rows, read_examples
from pawl.errors import DataError

CALL = {"name": "open_gate", "arguments": '{"gate": "7"}'}
TOOL = {"name": "open_gate", "parameters": {"type": "object"}}
ASK = {"role": "user", "content": "Open gate seven."}
DONE = {"role": "assistant", "content": "It is open."}
CALLING = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "c1", "type": "function", "function": CALL}],
}


def read(folder: Path, *rows: Any, **check: Any) -> Rows:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_examples(path, path.name, check=Check(**check))


def read_or_why(folder: Path, row: Any, **check: Any) -> Rows | str:
    """The rows, or why they are refused."""
    try:
        return read(folder, row, **check)
    except DataError as error:
        return str(error)


def turns(row: Rows) -> list[tuple[str, str]]:
    return [(m.role, m.content) for m in row.examples[0].messages]


@pytest.mark.parametrize(
    ("row", "asked", "answer"),
    [
        ({"instruction": "Shout", "input": "town", "output": "TOWN"}, "Shout\n\ntown", "TOWN"),
        ({"instruction": "Shout", "input": "", "output": "A"}, "Shout", "A"),
        ({"instruction": "Shout", "input": "b", "prompt": "Shout", "completion": "B"},
         "Shout\n\nb", "B"),
        ({"instruction": "Shout", "input": "b", "prompt": "Shout: b", "completion": "B"},
         "Shout: b", "B"),
        ({"instruction": "Why?", "context": "Rain.", "response": "So."}, "Why?\n\nRain.", "So."),
        ({"question": "How many?", "context": "CREATE TABLE t", "answer": "SELECT 1"},
         "How many?\n\nCREATE TABLE t", "SELECT 1"),
        ({"question": "How many?", "query": "SELECT 1"}, "How many?", "SELECT 1"),
        ({"query": "How many?", "response": "One"}, "How many?", "One"),
        ({"text": "my card is gone", "label": "lost"}, "my card is gone", "lost"),
        ({"text": "my card is gone", "label": 11}, "my card is gone", "11"),
        ({"text": "my card is gone", "category": "lost"}, "my card is gone", "lost"),
        ({"utterance": "play", "intent": "music"}, "play", "music"),
        ({"Prompt ": "a", "Completion": "b"}, "a", "b"),
        ({"input": "a", "output": "b"}, "a", "b"),
        ({"prompt": "a", "response": "b"}, "a", "b"),
        ({"problem": "a", "solution": "b"}, "a", "b"),
        ({"prompt": "a", "completion": 3}, "a", "3"),
        ({"prompt": "a", "completion": 0.5}, "a", "0.5"),
        ({"prompt": "a", "completion": False}, "a", "false"),
        ({"prompt": "a", "completion": {"b": "ü", "a": [1]}}, "a", '{"b": "ü", "a": [1]}'),
        ({"prompt": [{"role": "user", "content": "a"}],
          "completion": [{"role": "assistant", "content": "b"}]}, "a", "b"),
        ({"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
         "a", "b"),
        ({"conversation": [{"role": "user", "content": "a"}, {"role": "bot", "content": "b"}]},
         "a", "b"),
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "a", "b"),
        ({"contents": [{"role": "user", "parts": [{"text": "a"}]},
                       {"role": "model", "parts": [{"text": "b"}]}]}, "a", "b"),
        ({"messages": [{"role": "User", "content": "a"}, {"role": "Chatbot", "content": "b"}]},
         "a", "b"),
        ({"dialogue": "A: hi\nB: ho", "summary": "They greet."}, "A: hi\nB: ho", "They greet."),
        ({"inputs": "a", "targets": "b"}, "a", "b"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"},
                                                      {"type": "text", "text": "b"}]},
                       {"role": "assistant", "content": "c"}]}, "ab", "c"),
    ],
)  # fmt: skip
def test_a_known_form_is_read_as_question_and_answer(
    tmp_path: Path, row: Any, asked: str, answer: str
) -> None:
    found = read(tmp_path, row)
    assert (turns(found), found.examples[0].completion) == ([("user", asked)], answer)


# Keys of a row and of a turn that the field's trainers know (OpenAI, TRL, Axolotl, LLaMA-Factory,
# ms-swift, Hugging Face `datasets`), each with a value that changes what is learned, or says
# something of the row.
ROW_KEYS: dict[str, Any] = {
    "system": "Be brief.", "system_prompt": "Be brief.", "instruction": "Shout", "input": "a town",
    "context": "Rain.", "history": [["a", "b"]], "tools": [TOOL], "functions": [TOOL],
    "documents": [{"title": "t"}], "images": ["a.png"], "image": "a.png", "videos": ["a.mp4"],
    "audio": "a.wav", "rejected": "no", "chosen": "yes", "label": False, "weight": 0,
    "loss_weight": 0.0, "sample_weight": 0, "parallel_tool_calls": False, "metadata": {"a": 1},
    "tags": ["a"], "source": "wiki", "score": 0.5, "lang": "en", "choices": ["a", "b"],
    "tool_choice": "auto", "response_format": {"type": "text"}, "kto_tag": True, "objects": {},
    "systemInstruction": {"parts": [{"text": "Be brief."}]}, "rejected_response": "no",
    "chat_template_kwargs": {"a": 1}, "": "0", "Unnamed: 0": "0", "extra": "x", "margin": 1.0,
}  # fmt: skip
TURN_KEYS: dict[str, Any] = {
    "weight": 0, "train": False, "training": False, "loss_weight": 0.0, "loss": False,
    "tool_calls": [{"function": CALL}], "function_call": CALL, "reasoning_content": "I think.",
    "reasoning": "I think.", "thinking": "I think.", "name": "ann", "refusal": "No.",
    "train_detail": [{"begin": 0}], "audio": {"id": "a"}, "annotations": [1], "prefix": True,
    "tool_call_id": "c1", "images": ["a.png"], "weights": 0, "extra": "x",
}  # fmt: skip


def seen(rows: Rows) -> str:
    """All that the model sees or learns of the rows."""
    return repr([(e.messages, e.completion, e.tool_calls, e.taught) for e in rows.examples])


@pytest.mark.parametrize("key", ROW_KEYS)
@pytest.mark.parametrize(
    "plain",
    [{"prompt": "Open gate.", "completion": "It is open."}, {"messages": [ASK, DONE]}],
    ids=["prompt", "messages"],
)
def test_each_key_of_a_row_is_used_refused_or_told_by_name(
    tmp_path: Path, plain: dict[str, Any], key: str
) -> None:
    without, found = read(tmp_path, plain), read_or_why(tmp_path, plain | {key: ROW_KEYS[key]})
    if isinstance(found, str):
        assert f"'{key}'" in found or "chosen" in found
        return
    named = [note for note in found.notes if f"`{key}`" in note and "1 row" in note]
    unnamed = key in ("", "Unnamed: 0") and any("row numbers" in note for note in found.notes)
    assert named or unnamed or seen(found) != seen(without)


@pytest.mark.parametrize("key", TURN_KEYS)
@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_each_key_of_a_turn_is_used_refused_or_told_by_name(
    tmp_path: Path, key: str, at: int
) -> None:
    chat = [ASK, DONE, {"role": "user", "content": "And eight?"}, DONE]
    without = read(tmp_path, {"messages": chat}, turns="all")
    chat[at] = chat[at] | {key: TURN_KEYS[key]}
    found = read_or_why(tmp_path, {"messages": chat}, turns="all")
    if isinstance(found, str):
        assert ("call" if "call" in key else key) in found
        return
    told = any(f"`{key}`" in note and "1 row" in note for note in found.notes)
    # A user's turn is not taught, so that weight 0 says nothing new of it.
    idle = at in (0, 2) and TURN_KEYS[key] in (0, False)
    assert told or idle or seen(found) != seen(without)


@pytest.mark.parametrize("key", ["weight", "train", "loss_weight"])
def test_a_turn_of_weight_0_is_shown_and_never_taught(tmp_path: Path, key: str) -> None:
    second = {"role": "user", "content": "And eight?"}
    off = DONE | {key: 0}
    found = read(tmp_path, {"messages": [ASK, off, second, DONE]}, turns="all")
    assert (found.examples[0].taught, len(found.examples[0].messages)) == ((), 3)
    found = read(tmp_path, {"messages": [ASK, DONE, second, off]}, turns="all")
    assert (turns(found), found.examples[0].completion) == (
        [("user", ASK["content"])],
        "It is open.",
    )
    assert any("turns after the last answer" in note for note in found.notes)
    with pytest.raises(DataError, match="the weight of each is 0"):
        read(tmp_path, {"messages": [ASK, off]})


def test_every_assistant_turn_is_taught_or_a_row_or_told_as_not_taught(tmp_path: Path) -> None:
    chat = {"id": 7, "messages": [ASK, DONE, ASK, DONE, ASK, DONE, ASK]}
    every = read(tmp_path, chat, turns="all")
    assert [(e.id, e.taught, len(e.messages)) for e in every.examples] == [("7", (1, 3), 5)]
    each = read(tmp_path, chat, turns="each")
    assert [(e.id, len(e.messages)) for e in each.examples] == [("7#1", 1), ("7#2", 3), ("7#3", 5)]
    last = read(tmp_path, chat)
    assert last.examples[0].taught == ()
    assert any("are shown and not taught: `check.turns: all`" in note for note in last.notes)


@pytest.mark.parametrize("key", ["system", "systemInstruction"])
def test_a_system_text_in_parts_is_a_system_turn(tmp_path: Path, key: str) -> None:
    for said in ([{"text": "Be brief."}], {"role": "system", "parts": [{"text": "Be brief."}]}):
        found = read(tmp_path, {key: said, "messages": [ASK, DONE]})
        assert turns(found)[0] == ("system", "Be brief.")


def test_calls_as_answers_to_a_query_are_calls(tmp_path: Path) -> None:
    row = {"query": "Open gate 7.", "tools": json.dumps([TOOL]), "answers": json.dumps([CALL])}
    found = read(tmp_path, row)
    assert json.loads(found.examples[0].tool_calls)[0]["arguments"] == {"gate": "7"}
    assert turns(found)[1] == ("user", "Open gate 7.")


@pytest.mark.parametrize("content", [None, "", []])
def test_calls_need_no_text_beside_them(tmp_path: Path, content: Any) -> None:
    found = read(tmp_path, {"messages": [ASK, CALLING | {"content": content}]})
    assert found.examples[0].completion.startswith("<tool_call>")


@pytest.mark.parametrize("tools", [[TOOL], json.dumps([TOOL]), [{"function": TOOL}]])
def test_tools_and_calls_of_a_row_are_shown_and_taught(tmp_path: Path, tools: Any) -> None:
    result = {"role": "tool", "tool_call_id": "c1", "content": '{"ok": true}'}
    found = read(tmp_path, {"messages": [ASK, CALLING, result, DONE], "tools": tools}, turns="all")
    assert [m.role for m in found.examples[0].messages] == ["tools", "user", "assistant", "tool"]
    assert "open_gate" in found.examples[0].messages[0].content
    assert json.loads(found.examples[0].messages[2].tool_calls) == [
        {"id": "c1", "name": "open_gate", "arguments": {"gate": "7"}}
    ]
    assert found.examples[0].taught == (2,)
    last = read(tmp_path, {"messages": [ASK, CALLING | {"content": "Yes."}], "tools": tools})
    assert last.examples[0].completion == (
        'Yes.\n<tool_call>\n{"name": "open_gate", "arguments": {"gate": "7"}}\n</tool_call>'
    )


def test_roles_of_other_trainers_are_understood_and_an_unknown_one_is_named(tmp_path: Path) -> None:
    chat = [
        {"role": "developer", "content": "Be brief."},
        ASK,
        {"from": "function_call", "value": json.dumps(CALL)},
        {"from": "observation", "value": "ok"},
        {"from": "gpt", "value": "Done."},
    ]
    found = read(tmp_path, {"messages": chat})
    assert [role for role, _ in turns(found)] == ["system", "user", "assistant", "tool"]
    with pytest.raises(DataError, match=": narrator"):
        read(tmp_path, {"messages": [{"role": "narrator", "content": "a"}, DONE]})


def test_rows_for_training_on_preferences_are_refused(tmp_path: Path) -> None:
    chat = {"messages": [ASK, DONE]}
    with pytest.raises(DataError, match="'label' false"):
        read(tmp_path, chat | {"label": True}, chat | {"label": False})
    for key in ("rejected", "rejected_messages"):
        with pytest.raises(DataError, match="pair of a chosen and a rejected"):
            read(tmp_path, chat | {key: "no"})
    assert read(tmp_path, {"text": "spam?", "label": False}).examples[0].completion == "false"


def test_parts_of_a_turn_may_be_thoughts_which_are_told_and_calls(tmp_path: Path) -> None:
    parts = [
        {"type": "reasoning", "value": "I think."},
        {"type": "text", "value": "Yes."},
        {"type": "tool_call", "value": json.dumps(CALL)},
    ]
    found = read(tmp_path, {"messages": [ASK, {"role": "assistant", "content": parts}]})
    assert found.examples[0].completion.startswith("Yes.\n<tool_call>")
    assert "parts of type reasoning are not taught (1 row)" in found.notes
    with pytest.raises(DataError, match="of type image"):
        read(tmp_path, {"messages": [ASK | {"content": [{"type": "image"}]}, DONE]})


def test_ids_may_be_numbers_and_further_keys_that_are_no_text_are_told(tmp_path: Path) -> None:
    plain = {"prompt": "a", "completion": "b", "score": None, "metadata": {"a": 1}, "tags": ["x"]}
    found = read(tmp_path, plain | {"id": 0}, plain | {"id": 1.5})
    assert [e.id for e in found.examples] == ["0", "1.5"]
    assert "key `metadata` is not shown to the model (2 rows)" in found.notes
    assert "key `tags` is not shown to the model (2 rows)" in found.notes


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"premise": "a", "verdict": "b"}, "premise, verdict"),
        ({"text": "Q: a\nA: b"}, "one text alone, `text`"),
        ({"title": "a", "body": "b", "tag": "c"}, "--columns prompt=title,completion=tag"),
    ],
)
def test_unknown_columns_are_named_once_with_the_option_that_maps_them(
    tmp_path: Path, row: dict[str, str], says: str
) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, *[row] * 30)
    assert says in str(caught.value)
    assert str(caught.value).count("\n") == 2


def test_columns_named_by_the_user_are_question_and_answer(tmp_path: Path) -> None:
    row = {"title": "a", "body": "b", "prompt": "not this", "key": 3}
    columns = {"prompt": "title", "completion": "body", "id": "key"}
    found = read(tmp_path, row, columns=columns)
    assert (turns(found), found.examples[0].completion) == ([("user", "a")], "b")
    assert found.examples[0].id == "3"
    assert any("key `prompt` is not shown" in note for note in found.notes)
    with pytest.raises(DataError, match="found the columns"):
        read(tmp_path, {"prompt": "a", "completion": "b"}, columns=columns)
