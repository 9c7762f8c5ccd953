"""Answers that begin with a draft are those of plain greedy decoding, whatever the draft."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pawl.core.records import Message
from pawl.evaluate import drafted as module
from pawl.evaluate.decode import greedy
from pawl.evaluate.drafted import drafted
from pawl.evaluate.perplexity import answer_perplexity
from pawl.model.base import dequantised, load_base
from pawl.model.cached_batches import sharing
from pawl.model.masked_cache import sees_masked
from pawl.model.prompt import completion_tokens, prompt_tokens, with_instruction
from pawl.model.tokenizer import load_tokenizer

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
from baselab.families import FAMILIES, random_base

LIMIT = 24
TEXTS = [
    "Copy this: AB-12345",
    "Write the city and the year as JSON: Oslo, 1999. " * 3,
    "ok",
    "List the fruit: apple, pear, fig and plum, please, one on each line.",
    "What is 3?",
]


class Asked:
    """A base with prompts, and what plain greedy decoding answers to them."""

    def __init__(self, folder: Path, instruction: str) -> None:
        self.model: Any = dequantised(load_base(folder)).eval()
        self.tokenizer: Any = load_tokenizer(folder)
        chats: list[Any] = [(Message("user", text),) for text in TEXTS]
        if instruction:
            chats = [with_instruction(chat, instruction) for chat in chats]
        self.prompts = [prompt_tokens(self.tokenizer, chat) for chat in chats]
        with torch.no_grad():
            pad = self.tokenizer.pad_token_id
            self.share = sharing(self.model, self.prompts, pad=pad, more=LIMIT)
        self.plain = greedy(
            self.model, self.tokenizer, self.prompts, max_new_tokens=LIMIT, batch_size=3
        )
        self.texts = [answer.text for answer in self.plain]

    def drafted(self, drafts: list[list[int]], *, batch_size: int = 3) -> list[module.Drafted]:
        return drafted(
            self.model,
            self.tokenizer,
            self.prompts,
            drafts,
            max_new_tokens=LIMIT,
            batch_size=batch_size,
            share=self.share,
        )


@pytest.fixture(scope="module", params=["", "Answer in as few words as you can. " * 8])
def asked(request: pytest.FixtureRequest, base_folder: Path) -> Asked:
    return Asked(base_folder, request.param)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    cuts=st.lists(st.integers(0, LIMIT), min_size=5, max_size=5),
    noise=st.lists(st.lists(st.integers(5, 1900), max_size=9), min_size=5, max_size=5),
    kept=st.booleans(),
    batch_size=st.sampled_from([1, 2, 5]),
)
def test_a_draft_that_is_right_wrong_or_right_in_parts_changes_no_answer(
    asked: Asked, cuts: list[int], noise: list[list[int]], kept: bool, batch_size: int
) -> None:
    drafts = []
    for text, cut, odd in zip(asked.texts, cuts, noise, strict=True):
        own = completion_tokens(asked.tokenizer, text)
        rest = own[cut:] if kept else [own[-1]]
        drafts.append([*own[:cut], *odd, *rest])
    found = asked.drafted(drafts, batch_size=batch_size)
    assert [one.answer.text for one in found] == asked.texts
    assert [one.answer.tokens for one in found] == [answer.tokens for answer in asked.plain]
    assert all(one.answer.seconds > 0 for one in found)


def test_a_right_draft_takes_one_pass_and_a_wrong_one_fewer_than_tokens(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = 0
    real = asked.model.forward

    def counted(*args: Any, **more: Any) -> Any:
        nonlocal passes
        passes += 1
        return real(*args, **more)

    monkeypatch.setattr(module, "sees_masked", lambda *_, **__: False)
    drafts = [completion_tokens(asked.tokenizer, text) for text in asked.texts]
    monkeypatch.setattr(asked.model, "forward", counted)
    asked.drafted(drafts, batch_size=5)
    prefix = int(len(asked.prompts[2]) > 40)
    unended = any(answer.tokens == LIMIT for answer in asked.plain)
    assert passes == 1 + prefix, (passes, unended)


def test_the_perplexity_of_the_reference_is_that_of_a_pass_of_its_own(asked: Asked) -> None:
    references = ["apple", "Oslo, 1999", '{"a": 1}', "", "3"]
    drafts = [completion_tokens(asked.tokenizer, text) for text in references]
    found = [one.perplexity for one in asked.drafted(drafts)]
    wanted = answer_perplexity(asked.model, asked.tokenizer, asked.prompts, drafts)
    assert found == pytest.approx(wanted, rel=1e-4)


class Ids:
    """A tokenizer's part in decoding, of a base without words."""

    eos_token_id, pad_token_id = 2, 0

    def decode(self, tokens: list[int], **_: Any) -> str:
        return " ".join(map(str, tokens))


@pytest.mark.parametrize(
    ("name", "masks"),
    [
        ("Llama", True),
        ("Qwen3 MoE", True),
        ("Mistral with windows", False),
        ("Gemma 3", False),
        ("MPT", False),
        ("LFM2", False),
        ("Granite 4 hybrid", False),
    ],
)
def test_answers_are_greedy_ones_on_bases_that_see_what_is_masked_too(
    name: str, masks: bool
) -> None:
    base: Any = random_base(*FAMILIES[name]).eval()
    draw = torch.Generator().manual_seed(2)

    def tokens(count: int) -> list[int]:
        return torch.randint(5, 500, (count,), generator=draw).tolist()

    shared = tokens(40)
    prompts = [shared + tokens(count) for count in (3, 9, 5, 9)]
    tokenizer: Any = Ids()
    with torch.no_grad():
        share = sharing(base, prompts, pad=0, more=8)
    assert (not sees_masked(base, prompts[0], pad=0)) is masks
    plain = greedy(base, tokenizer, prompts, max_new_tokens=8, batch_size=3, share=share)
    own = [list(map(int, answer.text.split())) for answer in plain]
    drafts = [own[0], [*own[1][:3], *tokens(4)], tokens(6), [*own[3][:1], 7, 7, *own[3][3:]]]
    found = drafted(base, tokenizer, prompts, drafts, max_new_tokens=8, batch_size=3, share=share)
    assert [one.answer.text for one in found] == [answer.text for answer in plain]
