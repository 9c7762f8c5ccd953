"""Turns messages into text and tokens: one prompt format for training and every contender.

Messages go through the base's own chat template; a base without one gets the plain text of the
turns, a line each, which is common for untuned bases.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pawl.core.records import Example, Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def prompt_text(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> str:
    """The text of the prompt, up to where the answer begins."""
    if tokenizer.chat_template is not None:
        turns = [{"role": m.role, "content": m.content} for m in messages]
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return str(text)
    return "".join(f"{m.content}\n" for m in messages)


def prompt_tokens(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[int]:
    """Token ids of `prompt_text`; without a template the tokenizer adds the special tokens."""
    plain = tokenizer.chat_template is None
    ids = tokenizer(prompt_text(tokenizer, messages), add_special_tokens=plain)["input_ids"]
    return list(ids)


def completion_tokens(tokenizer: PreTrainedTokenizerBase, completion: str) -> list[int]:
    """Token ids of the answer, ending with the end-of-sequence token, which the model must learn.

    Prompt and answer are tokenised separately, as no token spans their border when decoding.
    """
    ids = tokenizer(completion, add_special_tokens=False)["input_ids"]
    return [*ids, tokenizer.eos_token_id]


def with_instruction(messages: Sequence[Message], instruction: str) -> tuple[Message, ...]:
    """The messages with `instruction` as system turn, followed by the row's own system turn."""
    rest = list(messages)
    if rest and rest[0].role == "system":
        instruction = f"{instruction}\n\n{rest.pop(0).content}"
    return (Message("system", instruction), *rest)


def with_shots(messages: Sequence[Message], shots: Sequence[Example]) -> tuple[Message, ...]:
    """The messages with solved examples before them, as earlier turns of the same chat."""
    turns: list[Message] = []
    for shot in shots:
        turns += [m for m in shot.messages if m.role != "system"]
        turns.append(Message("assistant", shot.completion))
    head = [m for m in messages if m.role == "system"]
    return (*head, *turns, *(m for m in messages if m.role != "system"))
