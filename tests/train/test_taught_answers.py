"""Of a chat every taught answer is learned in one pass, as a model that answers sees it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from pawl.config.schema import Check
from pawl.core.calls import calls_match, calls_text, parse_calls
from pawl.core.records import Example, Message
from pawl.data.read.row import example_of
from pawl.errors import DataError
from pawl.model.prompt import answer_text, completion_tokens, prompt_text, prompt_tokens
from pawl.train.pack import packed
from pawl.train.rows import Row, row_groups, token_rows

ALL = Check(turns="all")
TOOLS = [{"type": "function", "function": {"name": "open_gate", "parameters": {"type": "object"}}}]
CALL = {"name": "open_gate", "arguments": {"gate": "7"}}
# As Qwen 2.5 writes functions, calls and results.
QWEN = """\
{%- if tools %}{{- '<|im_start|>system\\nTools:' }}{% for tool in tools %}{{ tool | tojson }}\
{% endfor %}{{ '<|im_end|>\\n' }}{% endif %}\
{%- for message in messages %}\
{%- if message.role == 'tool' %}{{ '<|im_start|>user\\n<tool_response>' + message.content \
+ '</tool_response><|im_end|>\\n' }}\
{%- elif message.tool_calls %}{{ '<|im_start|>assistant\\n' + message.content }}\
{%- for call in message.tool_calls %}{{ '<tool_call>\\n{"name": "' + call.function.name \
+ '", "arguments": ' + (call.function.arguments | tojson) + '}\\n</tool_call>' }}{% endfor %}\
{{ '<|im_end|>\\n' }}\
{%- else %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}\
{%- endif %}\
{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""
# One that shows earlier answers otherwise than they were given.
SHORTENING = """\
{% for m in messages %}{{ '<|' + m.role + '|>' + (m.content[:3] if m.role == 'assistant' else \
m.content) + '<|end|>' }}{% endfor %}\
{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"""


def chat(*answers: str, **further: Any) -> Example:
    turns = []
    for n, answer in enumerate(answers):
        turns += [
            {"role": "user", "content": f"Step {n}?"},
            {"role": "assistant", "content": answer},
        ]
    return example_of({"messages": turns, **further}, 1, ALL)


def with_template(tokenizer: Any, template: str) -> Any:
    other = copy.deepcopy(tokenizer)
    other.chat_template, other.pawl_format = template, None
    return other


def test_each_answer_of_a_chat_is_taught_once_behind_its_own_prompt(tokenizer: Any) -> None:
    row = chat("Do this.", "Then that.", "Bye!")
    (tokens,) = token_rows([row], tokenizer, max_length=256)
    taught = [[tokens.tokens[i] for i in span] for span in tokens.taught]
    assert taught == [
        completion_tokens(tokenizer, text) for text in ("Do this.", "Then that.", "Bye!")
    ]
    for at, span in zip((1, 3, 5), tokens.taught, strict=True):
        prompt = prompt_tokens(tokenizer, row.messages[:at])
        assert list(tokens.tokens[: span.start]) == prompt
    (pack,) = packed([tokens], room=256)
    assert pack.targets.tolist() == [i for span in taught for i in span]
    assert pack.ids[0][pack.at + 1].tolist() == pack.targets.tolist()


def test_the_end_token_is_in_the_loss_also_where_it_pads(tokenizer: Any) -> None:
    padded = copy.deepcopy(tokenizer)
    padded.pad_token = padded.eos_token
    (pack,) = packed(token_rows([chat("Bye!")], padded, max_length=256), room=256)
    assert pack.targets.tolist() == completion_tokens(tokenizer, "Bye!")
    assert pack.targets.tolist()[-1] == tokenizer.eos_token_id


def test_a_row_without_a_trained_token_is_refused_by_name(tokenizer: Any) -> None:
    row = Example("r7", "k", (Message("user", "a"),), "")
    with pytest.raises(DataError, match=r"row 'r7' has .* and 0 completion tokens"):
        token_rows([chat("Bye!"), row], tokenizer, max_length=256)


def test_the_answers_that_are_not_taught_are_no_targets(tokenizer: Any) -> None:
    row = chat("Do this.", "Then that.", "Bye!")
    last = Example(row.id, row.key, row.messages, row.completion)
    (tokens,) = token_rows([last], tokenizer, max_length=256)
    assert tokens.targets == len(completion_tokens(tokenizer, "Bye!"))


def test_an_answer_that_later_prompts_show_otherwise_is_taught_as_a_row_of_its_own(
    tokenizer: Any,
) -> None:
    other = with_template(tokenizer, SHORTENING)
    rows = token_rows([chat("Do this.", "Then that.", "Bye!")], other, max_length=256)
    taught = [other.decode([row.tokens[i] for i in row.taught[-1]][:-1]) for row in rows]
    assert taught == ["Do this.", "Then that.", "Bye!"]
    assert all(not row.earlier for row in rows)


@pytest.mark.parametrize("native", [False, True])
def test_functions_calls_and_results_are_in_the_prompt_and_calls_are_taught(
    tokenizer: Any, native: bool
) -> None:
    other = with_template(tokenizer, QWEN) if native else tokenizer
    ask, done = {"role": "user", "content": "Open 7."}, {"role": "assistant", "content": "Done."}
    calling = {"role": "assistant", "content": None, "tool_calls": [{"function": CALL}]}
    result = {"role": "tool", "content": '{"ok": 1}'}
    whole = example_of({"messages": [ask, calling, result, done], "tools": TOOLS}, 1, ALL)
    prompt = prompt_text(other, whole.messages)
    assert all(text in prompt for text in ('"open_gate"', "<tool_call>", '{"ok": 1}', "Open 7."))
    rows = token_rows([whole], other, max_length=4096)
    learned = [other.decode([row.tokens[i] for i in span]) for row in rows for span in row.taught]
    assert len(learned) == 2
    assert parse_calls(learned[0].replace(other.eos_token, "")) == [CALL]
    calls = example_of({"messages": [ask, calling], "tools": TOOLS}, 1, ALL)
    assert parse_calls(answer_text(other, calls)) == [CALL]


def test_what_a_template_would_drop_of_an_answer_is_taught_as_text(tokenizer: Any) -> None:
    """Llama's templates write the calls alone."""
    dropping = QWEN.replace(
        "'<|im_start|>assistant\\n' + message.content", "'<|im_start|>assistant\\n'"
    )
    other = with_template(tokenizer, dropping)
    calling = {"role": "assistant", "content": "I do it.", "tool_calls": [{"function": CALL}]}
    row = example_of({"messages": [{"role": "user", "content": "Open 7."}, calling]}, 1, ALL)
    assert answer_text(other, row) == row.completion
    assert row.completion.startswith("I do it.")


@pytest.mark.parametrize(
    "text",
    [
        calls_text("", [CALL]),
        '{"name": "open_gate", "parameters": {"gate": "7"}}',
        '<|python_tag|>{"name": "open_gate", "parameters": {"gate": "7"}}',
        '[TOOL_CALLS][{"name": "open_gate", "arguments": {"gate": "7"}}]',
        '```json\n[{"function": {"name": "open_gate", "arguments": "{\\"gate\\": \\"7\\"}"}}]\n```',
        'Sure.\n<tool_call>\n{"arguments": {"gate": "7"}, "name": "open_gate"}\n</tool_call>',
    ],
)
def test_calls_are_parsed_from_what_bases_write(text: str) -> None:
    assert parse_calls(text) == [CALL]
    assert calls_match(text, calls_text("", [CALL])) == 1


def test_calls_match_needs_the_same_calls_and_is_absent_where_none_is_wanted() -> None:
    wanted = calls_text("Yes.", [CALL, {"name": "ring", "arguments": {}}])
    assert calls_match(calls_text("", [{"name": "ring", "arguments": {}}, CALL]), wanted) == 1
    assert calls_match(calls_text("", [CALL]), wanted) == 0
    assert calls_match(wanted.replace('"7"', "7"), wanted) == 0
    assert calls_match("It is open.", wanted) == 0
    assert calls_match("It is open.", "It is open.") is None


@pytest.mark.skipif(not Path("base/smollm2/tokenizer.json").exists(), reason="no SmolLM2 here")
def test_a_chat_is_one_row_with_the_template_of_smollm2() -> None:
    from pawl.model.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(Path("base/smollm2"))
    (tokens,) = token_rows([chat("Do this.", "Bye!")], tokenizer, max_length=256)
    assert [tokenizer.decode([tokens.tokens[i] for i in s]) for s in tokens.taught] == [
        "Do this.<|im_end|>",
        "Bye!<|im_end|>",
    ]


def test_rows_of_one_chat_are_one_group_and_each_dev_loss_has_its_group() -> None:
    ask = (Message("user", "a"),)
    examples = [
        Example("chat", "k1", ask, "b"),
        Example("alone", "k2", ask, "b"),
        Example("named", "k3", ask, "b", {"customer": "c7"}),
    ]
    rows = [
        Row("chat, turn 2", (1, 2), 1, of="chat"),
        Row("chat", (1, 2, 3), 2),
        Row("alone", (1, 2), 1),
        Row("named, turn 2", (1, 2), 1, of="named"),
        Row("named", (1, 2, 3), 2),
    ]
    assert row_groups(rows, examples, "customer") == ["chat", "chat", None, "c7", "c7"]
    assert row_groups(rows, examples, None) == ["chat", "chat", None, "named", "named"]
