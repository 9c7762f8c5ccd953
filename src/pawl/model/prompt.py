"""Turns messages into text and tokens: one prompt format for training and every contender.

Messages go through the base's own chat template (`pawl.model.chat_template`); a base without one
gets the plain text of the turns, a line each, which is common for untuned bases. What a row says is
text: a control token in it is no control token (`pawl.model.control_tokens`).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pawl.core.calls import calls_text
from pawl.core.records import Example, Message
from pawl.errors import DataError
from pawl.model.chat_template import ChatTemplate
from pawl.model.chat_turns import knows_calls
from pawl.model.control_tokens import ControlTokens, any_found

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Turns before a chat's own, which a solved row does not repeat.
HEAD = ("tools", "system")
TURNS = (Message("user", "a"), Message("assistant", "b"), Message("user", "c"))


class PromptFormat:
    """What a tokenizer makes of turns: its chat template, its control tokens, what it adds.

    `start` are the ids that it puts before a text; what it puts after one would end a prompt.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, template: ChatTemplate) -> None:
        self.template = template
        self.control = ControlTokens(tokenizer, turns=_turns(template))
        whole, bare = (tokenizer("a", add_special_tokens=add)["input_ids"] for add in (True, False))
        before = next((i for i in range(len(whole)) if whole[i : i + len(bare)] == bare), 0)
        self.start = list(whole[:before])


def bind(tokenizer: PreTrainedTokenizerBase, template: ChatTemplate) -> None:
    """Let a tokenizer carry the template, with its arguments, that its prompts are made with."""
    tokenizer.pawl_format = PromptFormat(tokenizer, template)


def format_of(tokenizer: PreTrainedTokenizerBase) -> PromptFormat:
    """The format that the tokenizer carries; without one, its template without arguments."""
    if getattr(tokenizer, "pawl_format", None) is None:
        bind(tokenizer, ChatTemplate(tokenizer))
    found: PromptFormat = tokenizer.pawl_format
    return found


def prompt_text(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> str:
    """The text of the prompt, up to where the answer begins.

    Raises:
        DataError: the chat template cannot show these turns.
    """
    return format_of(tokenizer).template.text(messages)


def prompt_tokens(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[int]:
    """Token ids of `prompt_text`; without a template, after what the tokenizer puts before a text.

    Raises:
        DataError: the chat template cannot show these turns.
    """
    form = format_of(tokenizer)
    start = form.start if form.template.source is None else []
    if any_found(form.control, [text for m in messages for text in (m.content, m.tool_calls)]):
        hide = form.control.hide
        hidden = [
            dataclasses.replace(m, content=hide(m.content), tool_calls=hide(m.tool_calls))
            for m in messages
        ]
        return [*start, *form.control.ids(form.template.text(hidden))]
    text = form.template.text(messages)
    return [*start, *tokenizer(text, add_special_tokens=False)["input_ids"]]


def answer_text(tokenizer: PreTrainedTokenizerBase, row: Example) -> str:
    """The text that a row teaches: its completion, with calls as the base's own template has them.

    That is what the template writes between the prompt and the end of the turn. A template that
    does not go on from the prompt, drops a part of the answer, or writes control tokens in it,
    gives way to the completion, whose calls are in the form of `pawl.core.calls`.
    """
    template = format_of(tokenizer).template
    if not row.tool_calls or not knows_calls(template.source):
        return row.completion
    said = row.completion.removesuffix(calls_text("", json.loads(row.tool_calls))).rstrip("\n")
    turns = (*row.messages, Message("assistant", said, row.tool_calls))
    prompt, whole = template.text(row.messages), template.text(turns, answered=True)
    answer = whole.removeprefix(prompt).rstrip().removesuffix(str(tokenizer.eos_token)).strip()
    names = [call["name"] for call in json.loads(row.tool_calls)]
    holds_all = all(part in answer for part in (said.strip(), *names))
    special = any(token in answer for token in tokenizer.all_special_tokens)
    return answer if whole.startswith(prompt) and holds_all and not special else row.completion


def completion_tokens(tokenizer: PreTrainedTokenizerBase, completion: str) -> list[int]:
    """Token ids of the answer, ending with the end-of-sequence token, which the model must learn.

    Prompt and answer are tokenised separately, as no token spans their border when decoding.
    """
    control = format_of(tokenizer).control
    if control.found(completion):
        return [*control.ids(control.hide(completion)), tokenizer.eos_token_id]
    ids = tokenizer(completion, add_special_tokens=False)["input_ids"]
    return [*ids, tokenizer.eos_token_id]


@contextmanager
def naming_row(row: str) -> Iterator[None]:
    """Within this, a `DataError` names the row that it is about."""
    try:
        yield
    except DataError as error:
        found = f"row '{row}': {error.found}"
        raise DataError(found, rule=error.rule, remedy=error.remedy) from error


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


def _turns(template: ChatTemplate) -> str:
    """Some turns as the template writes them; empty where there is none, or it takes no such."""
    try:
        return template.text(TURNS, answered=True) if template.source is not None else ""
    except DataError:
        return ""
