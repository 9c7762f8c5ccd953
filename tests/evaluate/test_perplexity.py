"""Perplexity of a row is the same in any batch and after any shared prefix."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers.processors import TemplateProcessing

from pawl.core.records import Message
from pawl.evaluate.perplexity import answer_perplexity, general_perplexity, general_text
from pawl.model.base import dequantised, load_base
from pawl.model.chat_template import ChatTemplate
from pawl.model.prompt import bind, completion_tokens, prompt_tokens, with_instruction
from pawl.model.tokenizer import load_tokenizer

ANSWERS = ["AB-12345", "Oslo, 1999. " * 5, "x", '{"fruit": "pear"}']
TEXTS = ["Copy this: AB-12345", "Write it again. " * 9, "ok?", "Which fruit is it, please?"]


@pytest.fixture(scope="module")
def loaded(base_folder: Path) -> tuple[Any, Any]:
    return dequantised(load_base(base_folder)).eval(), load_tokenizer(base_folder)


def one_by_one(model: Any, prompt: list[int], answer: list[int]) -> float:
    """transformers' own loss over the answer alone."""
    labels = torch.tensor([[-100] * len(prompt) + answer])
    with torch.inference_mode():
        loss = model(input_ids=torch.tensor([prompt + answer]), labels=labels).loss
    return math.exp(float(loss))


@pytest.mark.parametrize("instruction", ["", "Answer in as few words as you can. " * 8])
def test_the_perplexity_of_an_answer_is_that_of_transformers_own_loss(
    loaded: tuple[Any, Any], instruction: str
) -> None:
    model, tokenizer = loaded
    chats: list[Any] = [(Message("user", text),) for text in TEXTS]
    if instruction:
        chats = [with_instruction(chat, instruction) for chat in chats]
    prompts = [prompt_tokens(tokenizer, chat) for chat in chats]
    expected = [
        one_by_one(model, prompt, completion_tokens(tokenizer, answer))
        for prompt, answer in zip(prompts, ANSWERS, strict=True)
    ]
    answers = [completion_tokens(tokenizer, answer) for answer in ANSWERS]
    found = answer_perplexity(model, tokenizer, prompts, answers)
    assert found == pytest.approx(expected, rel=1e-4)


def test_rows_with_one_and_the_same_prompt_are_measured_from_the_first_token(
    loaded: tuple[Any, Any],
) -> None:
    model, tokenizer = loaded
    prompt = prompt_tokens(tokenizer, (Message("user", "The same question. " * 20),))
    answers = [completion_tokens(tokenizer, "the same answer")] * 2
    expected = one_by_one(model, prompt, answers[0])
    found = answer_perplexity(model, tokenizer, [prompt, prompt], answers)
    assert found == pytest.approx([expected, expected], rel=1e-4)


def test_a_damaged_model_has_a_higher_perplexity_of_the_general_text(
    base_folder: Path, loaded: tuple[Any, Any]
) -> None:
    assert 2_000 < len(general_text()) < 8_000
    assert general_text().isascii()
    model, tokenizer = loaded
    sound = general_perplexity(model, tokenizer)
    assert sound is not None
    assert 1 < sound < tokenizer.vocab_size
    hurt: Any = dequantised(load_base(base_folder)).eval()
    with torch.no_grad():
        hurt.model.layers[0].mlp.down_proj.weight.mul_(-1)
    damaged = general_perplexity(hurt, tokenizer)
    assert damaged is not None
    assert damaged > sound
    with torch.no_grad():
        hurt.model.norm.weight.fill_(float("nan"))
    assert general_perplexity(hurt, tokenizer) is None


def test_the_general_text_begins_as_the_base_expects_it(loaded: tuple[Any, Any]) -> None:
    model, tokenizer = loaded
    start = int(tokenizer.eos_token_id)
    starting = copy.deepcopy(tokenizer)
    starting.bos_token = tokenizer.eos_token
    starting.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{tokenizer.eos_token} $A", special_tokens=[(tokenizer.eos_token, start)]
    )
    bind(starting, ChatTemplate(starting))
    ids = tokenizer(general_text(), add_special_tokens=False)["input_ids"]
    total = 0.0
    with torch.no_grad():
        for at in range(0, len(ids) - 1, 256):
            window = torch.tensor([[start, *ids[at : at + 257]]])
            logits = model(input_ids=window).logits[0, 1:-1]
            total += float(
                torch.nn.functional.cross_entropy(logits, window[0, 2:], reduction="sum")
            )
    assert general_perplexity(model, starting) == pytest.approx(math.exp(total / (len(ids) - 1)))
    assert general_perplexity(model, tokenizer) != general_perplexity(model, starting)
