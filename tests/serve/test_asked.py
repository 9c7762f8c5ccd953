"""A request's body is read or refused with its field, whatever it holds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hostile_bodies import hostile_bodies

from pawl.core.records import Message
from pawl.errors import DataError
from pawl.model.prompt import prompt_tokens
from pawl.serve.answer import Answer
from pawl.serve.asked import read_asked
from pawl.serve.refusals import Refused
from pawl.serve.replies import Head, Said, whole_reply
from pawl.serve.turns import chat_of

CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"a": 1}'}}
TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}


def test_hostile_bodies_are_read_or_refused_and_the_refusal_can_be_sent(tokenizer: Any) -> None:
    for number, body in enumerate(hostile_bodies(1500, seed=9)):
        try:
            asked = read_asked(body, ("chat", "completions")[number % 2])
            for chat in asked.chats:
                prompt_tokens(tokenizer, chat)
        except Refused as refused:
            json.dumps(refused.body, ensure_ascii=False).encode("utf-8")
        except DataError as error:
            Refused(400, error.found).body["error"]["message"].encode("utf-8")


def test_a_chat_becomes_the_turns_that_rows_have() -> None:
    chat = chat_of(
        [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": part} for part in "ab"]},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "content": "none", "tool_call_id": "c1"},
        ],
        [TOOL],
    )  # fmt: skip
    assert chat == (
        Message("tools", json.dumps([TOOL])),
        Message("system", "Be brief."),
        Message("user", "ab"),
        Message("assistant", "", json.dumps([{"id": "c1", "name": "find", "arguments": {"a": 1}}])),
        Message("tool", "none", call_id="c1"),
    )


@pytest.mark.parametrize("ended", [False, True])
def test_calls_in_an_answer_come_back_as_calls(ended: bool) -> None:
    head = Head("chat", "r", 0, "tickets-v1", "f")
    text = 'I look.\n<tool_call>\n{"name": "find", "arguments": {"a": 1}}\n</tool_call>'
    reply = whole_reply(head, [Said(text, 9, "stop")], prompt_tokens=3, calls=ended)
    (choice,) = reply["choices"]
    if not ended:
        assert choice["message"]["content"] == text
        return
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] == "I look."
    assert choice["message"]["tool_calls"][0]["function"] == {
        "name": "find",
        "arguments": '{"a": 1}',
    }


@pytest.mark.parametrize("text", ["Grüße 🦊 aus Łódź", "a\u0301 e\u0301", "plain words, and more"])
@pytest.mark.parametrize("stops", [(), ("aus",), ("words, and",), ("zzz", "\n")])
def test_pieces_of_an_answer_are_together_the_whole_of_it(
    tokenizer: Any, text: str, stops: tuple[str, ...]
) -> None:
    tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
    whole = tokenizer.decode(tokens, skip_special_tokens=True)
    for stop in stops:
        whole = whole.partition(stop)[0]
    answer, pieces = Answer(tokenizer, stops), []
    for count in range(1, len(tokens) + 1):
        pieces.append(answer.grow(tokens[:count], ended=count == len(tokens)))
        assert "\ufffd" not in pieces[-1]
    assert "".join(pieces) == answer.text == whole
