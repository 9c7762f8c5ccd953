"""Turns messages into text and tokens: one prompt format for training and every contender.

Messages go through the base's own chat template; a base without one gets the plain text of the
turns, a line each, which is common for untuned bases.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pawl.core.calls import calls_text
from pawl.core.records import Example, Message
from pawl.errors import DataError
from pawl.model.chat_turns import as_text, knows_calls, template_turns

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Turns before a chat's own, which a solved row does not repeat.
HEAD = ("tools", "system")


def prompt_text(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> str:
    """The text of the prompt, up to where the answer begins."""
    if tokenizer.chat_template is not None:
        return _rendered(tokenizer, messages, answered=False)
    return "".join(f"{m.content}\n" for m in as_text(messages))


def prompt_tokens(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[int]:
    """Token ids of `prompt_text`; without a template the tokenizer adds the special tokens."""
    plain = tokenizer.chat_template is None
    ids = tokenizer(prompt_text(tokenizer, messages), add_special_tokens=plain)["input_ids"]
    return list(ids)


def answer_text(tokenizer: PreTrainedTokenizerBase, row: Example) -> str:
    """The text that a row teaches: its completion, with calls as the base's own template has them.

    That is what the template writes between the prompt and the end of the turn. A template that
    does not go on from the prompt, drops a part of the answer, or writes control tokens in it,
    gives way to the completion, whose calls are in the form of `pawl.core.calls`.
    """
    if not row.tool_calls or not knows_calls(tokenizer.chat_template):
        return row.completion
    said = row.completion.removesuffix(calls_text("", json.loads(row.tool_calls))).rstrip("\n")
    turns = (*row.messages, Message("assistant", said, row.tool_calls))
    prompt, whole = prompt_text(tokenizer, row.messages), _rendered(tokenizer, turns, answered=True)
    answer = whole.removeprefix(prompt).rstrip().removesuffix(str(tokenizer.eos_token)).strip()
    names = [call["name"] for call in json.loads(row.tool_calls)]
    holds_all = all(part in answer for part in (said.strip(), *names))
    special = any(token in answer for token in tokenizer.all_special_tokens)
    return answer if whole.startswith(prompt) and holds_all and not special else row.completion


def _rendered(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], *, answered: bool
) -> str:
    knows = knows_calls(tokenizer.chat_template)
    turns, tools = template_turns(messages if knows else as_text(messages))
    try:
        text = tokenizer.apply_chat_template(
            turns, tools=tools, tokenize=False, add_generation_prompt=not answered
        )
    except Exception as error:  # a template is a program, and fails in any way
        roles = ", ".join(m.role for m in messages)
        told = " ".join(str(error).split())[:300]
        raise DataError(
            f"the base's chat template fails on turns {roles}: {type(error).__name__}: {told}",
            rule="a prompt is what the base's own chat template makes of a row's turns",
            remedy="give rows the turns that it takes (most take user and assistant in turn), or "
            "name another base",
        ) from error
    return str(text)


def completion_tokens(tokenizer: PreTrainedTokenizerBase, completion: str) -> list[int]:
    """Token ids of the answer, ending with the end-of-sequence token, which the model must learn.

    Prompt and answer are tokenised separately, as no token spans their border when decoding.
    """
    ids = tokenizer(completion, add_special_tokens=False)["input_ids"]
    return [*ids, tokenizer.eos_token_id]


def with_instruction(messages: Sequence[Message], instruction: str) -> tuple[Message, ...]:
    """The messages with `instruction` as system turn, followed by the row's own system turn."""
    tools, rest = [m for m in messages if m.role == "tools"], [*messages]
    rest = [m for m in rest if m.role != "tools"]
    if rest and rest[0].role == "system":
        instruction = f"{instruction}\n\n{rest.pop(0).content}"
    return (*tools, Message("system", instruction), *rest)


def with_shots(messages: Sequence[Message], shots: Sequence[Example]) -> tuple[Message, ...]:
    """The messages with solved examples before them, as earlier turns of the same chat."""
    turns: list[Message] = []
    for shot in shots:
        turns += [m for m in shot.messages if m.role not in HEAD]
        turns.append(Message("assistant", shot.completion))
    head = [m for m in messages if m.role in HEAD]
    return (*head, *turns, *(m for m in messages if m.role not in HEAD))
