"""Batched decoding that drops finished rows answers exactly as decoding one row at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pawl.core.records import Message
from pawl.evaluate.decode import greedy
from pawl.model.base import dequantised, load_base
from pawl.model.prompt import prompt_tokens, with_instruction
from pawl.model.tokenizer import load_tokenizer

TEXTS = [
    "Copy this: AB-12345",
    "Write the city and the year as JSON: Oslo, 1999. " * 3,
    "ok",
    "List the fruit: apple, pear, fig and plum, please, one on each line.",
    "What is 3?",
]


@pytest.fixture(scope="module")
def loaded(base_folder: Path) -> tuple[Any, Any]:
    return dequantised(load_base(base_folder)).eval(), load_tokenizer(base_folder)


def one_by_one(model: Any, tokenizer: Any, prompts: list[list[int]], limit: int) -> list[str]:
    """transformers' own greedy search, a row at a time."""
    answers = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        out = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=limit, do_sample=False
        )
        answers.append(tokenizer.decode(out[0, len(prompt) :], skip_special_tokens=True))
    return answers


@pytest.mark.parametrize("instruction", ["", "Answer in as few words as you can. " * 8])
@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_batched_answers_equal_those_of_transformers_one_by_one(
    loaded: tuple[Any, Any], instruction: str, batch_size: int
) -> None:
    model, tokenizer = loaded
    chats: list[Any] = [(Message("user", text),) for text in TEXTS]
    if instruction:
        chats = [with_instruction(chat, instruction) for chat in chats]
    prompts = [prompt_tokens(tokenizer, chat) for chat in chats]
    answers = greedy(model, tokenizer, prompts, max_new_tokens=24, batch_size=batch_size)
    assert [a.text for a in answers] == one_by_one(model, tokenizer, prompts, 24)
    assert all(1 <= answer.tokens <= 24 and answer.seconds > 0 for answer in answers)
