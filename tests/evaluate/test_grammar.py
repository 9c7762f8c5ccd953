"""Decoding that is held to a JSON Schema: what it allows, nothing else, and by drafts the same."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from pawl.config.judging import Evaluate
from pawl.core.json_schema import validator_of
from pawl.core.records import Example, Message
from pawl.errors import ParamsError
from pawl.evaluate.answers import answers
from pawl.evaluate.decode import greedy
from pawl.evaluate.drafted import drafted
from pawl.evaluate.fields import schema_valid
from pawl.evaluate.grammar import Grammar, grammar, grammar_for, refuse_unwritable
from pawl.model.base import dequantised, load_base
from pawl.model.cached_batches import sharing
from pawl.model.prompt import completion_tokens, prompt_tokens, with_instruction
from pawl.model.tokenizer import load_tokenizer

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "data" / "tickets.schema.json").read_text(encoding="utf-8"))
TICKETS = [
    json.loads(line)
    for line in (ROOT / "examples" / "tickets" / "v1.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
][:6]
LIMIT = 48
HELD = Evaluate(schema_decoding="baselines", max_new_tokens=LIMIT, batch_size=5)
INSTRUCTION = "Say in one JSON object what the message is about, and nothing else. " * 3


def row(number: int, completion: str) -> Example:
    return Example(f"r{number}", "k", (Message("user", "x"),), completion)


class Asked:
    """A base with the tickets' prompts, and what plain decoding, held to the schema, answers."""

    def __init__(self, folder: Path, instruction: str = "", rows: int = 6) -> None:
        self.model: Any = dequantised(load_base(folder)).eval()
        self.tokenizer: Any = load_tokenizer(folder)
        chats: list[Any] = [(Message("user", ticket["prompt"]),) for ticket in TICKETS[:rows]]
        if instruction:
            chats = [with_instruction(chat, instruction) for chat in chats]
        self.prompts = [prompt_tokens(self.tokenizer, chat) for chat in chats]
        self.references = [ticket["completion"] for ticket in TICKETS[:rows]]
        self.drafts = [completion_tokens(self.tokenizer, text) for text in self.references]
        found = grammar_for(HELD, SCHEMA, self.model, self.tokenizer)
        assert found is not None
        self.grammar: Grammar = found
        self.plain = self.greedy(self.grammar)
        self.texts = [answer.text for answer in self.plain]

    def greedy(self, held: Grammar | None, batch_size: int = 5) -> Any:
        return greedy(
            self.model,
            self.tokenizer,
            self.prompts,
            max_new_tokens=LIMIT,
            batch_size=batch_size,
            grammar=held,
        )


@pytest.fixture(scope="module", params=["", INSTRUCTION], ids=["alone", "shared prefix"])
def asked(request: pytest.FixtureRequest, base_folder: Path) -> Asked:
    return Asked(base_folder, request.param)


def test_every_answer_that_ends_is_one_that_the_schema_allows_and_without_it_few_are(
    asked: Asked,
) -> None:
    validator = validator_of(SCHEMA)
    ended = [one.text for one in asked.plain if one.tokens < LIMIT]
    assert len(ended) >= len(asked.plain) - 2, "what is cut off may be anything"
    assert all(schema_valid(text, validator) for text in ended)
    free = [one.text for one in asked.greedy(None)]
    assert sum(schema_valid(text, validator) for text in free) < len(free) / 2


def test_each_token_is_the_likeliest_that_the_schema_allows(asked: Asked) -> None:
    """By a mask over all words at each step, in a pass without a cache."""
    ends = sorted(asked.grammar.ends)
    for prompt, text in list(zip(asked.prompts, asked.texts, strict=True))[:1]:
        out: list[int] = []
        matcher = asked.grammar.matcher.deep_copy()
        while len(out) < LIMIT and not (out and out[-1] in ends):
            with torch.no_grad():
                logits = asked.model(torch.tensor([[*prompt, *out]])).logits[0, -1]
            bits = matcher.compute_bitmask()
            words = range(len(logits))
            may = [bool(bits[n // 8] >> n % 8 & 1) for n in words]
            for end in ends:
                may[end] = matcher.is_accepting()
            out.append(max((n for n in words if may[n]), key=lambda n: float(logits[n])))
            if out[-1] not in ends:
                assert matcher.consume_token(out[-1])
        assert asked.tokenizer.decode(out, skip_special_tokens=True) == text


def test_drafts_whatever_they_are_change_no_answer(asked: Asked) -> None:
    own = [completion_tokens(asked.tokenizer, text) for text in asked.texts]
    other = [own[-1], *own[:-1]]
    half = [[*mine[:7], *odd[3:]] for mine, odd in zip(own, other, strict=True)]
    prose = [completion_tokens(asked.tokenizer, "Sure! {} It is late.")] * len(own)
    pad = asked.tokenizer.pad_token_id
    with torch.no_grad():
        share = sharing(asked.model, asked.prompts, pad=pad, more=LIMIT)
    for drafts in (asked.drafts, half, prose):
        for kept in {share, "whole"} if drafts is half else {share}:
            found = drafted(
                asked.model,
                asked.tokenizer,
                asked.prompts,
                drafts,
                max_new_tokens=LIMIT,
                batch_size=5,
                share=kept,
                grammar=asked.grammar,
            )
            assert [one.answer.text for one in found] == asked.texts
            assert [one.answer.tokens for one in found] == [one.tokens for one in asked.plain]


def test_the_judge_s_answers_are_those_of_plain_decoding_row_by_row(asked: Asked) -> None:
    found = answers(
        asked.model,
        asked.tokenizer,
        asked.prompts,
        asked.drafts,
        HELD,
        timed=False,
        grammar=asked.grammar,
        label=None,
    )
    assert [one.answer.text for one in found] == asked.texts
    assert [one.text for one in asked.greedy(asked.grammar, batch_size=1)] == asked.texts


def test_every_reference_of_the_example_may_be_written(tokenizer: Any) -> None:
    rows = [row(n, ticket["completion"]) for n, ticket in enumerate(TICKETS)]
    refuse_unwritable(SCHEMA, tokenizer, rows)


@pytest.mark.parametrize(
    "text",
    ['{"a": 1, "b": "ä"}', '{\n  "a": 1,\n  "b": "x\\u00e4"\n}', ' {"a":1,"b":"\\n"}', '{"a":1}'],
)
def test_blanks_lines_and_escapes_are_the_writer_s_own(tokenizer: Any, text: str) -> None:
    schema = {"properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "type": "object"}
    found = grammar(schema, tokenizer, ends={tokenizer.eos_token_id})
    assert found.allows(completion_tokens(tokenizer, text))
    assert not found.allows(completion_tokens(tokenizer, f"Sure: {text}"))
    assert not found.allows(completion_tokens(tokenizer, text[:-1]))


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "object", "not": {"required": ["a"]}}, '"not"'),
        ({"type": "array", "uniqueItems": True}, '"uniqueItems"'),
        ({"type": "string", "format": "postcode"}, "Unknown format: postcode"),
        ({"type": "string", "pattern": "(?=a)b"}, "look-around"),
        (False, ""),
    ],
)
def test_what_decoding_cannot_be_held_to_is_named_with_the_remedy(
    tokenizer: Any, schema: Any, says: str
) -> None:
    with pytest.raises(ParamsError, match="cannot be held to the task's schema") as refused:
        refuse_unwritable(schema, tokenizer, [])
    assert says in refused.value.found
    assert "%json" not in refused.value.found
    assert "`evaluate.schema_decoding: none`" in refused.value.remedy


def test_right_answers_in_another_order_than_the_schema_s_are_named(tokenizer: Any) -> None:
    schema = {"properties": {"a": {}, "b": {}}, "type": "object"}
    rows = [row(n, '{"b":1,"a":2}' if n < 3 else '{"a":2,"b":1}') for n in range(200)]
    with pytest.raises(ParamsError, match=r"could not write 3 of 200 .* row 'r0'") as refused:
        refuse_unwritable(schema, tokenizer, rows)
    assert "the order that the answers have" in refused.value.remedy
    # An odd one among hundreds hinders nobody.
    refuse_unwritable(schema, tokenizer, rows[2:])
    with pytest.raises(ParamsError, match="could not write 20 of 20"):
        refuse_unwritable({"type": "object", "required": ["c"]}, tokenizer, rows[-20:])


def test_a_prompt_is_held_and_an_adapter_is_by_choice() -> None:
    held = {name: dataclasses.replace(HELD, schema_decoding=name) for name in ("none", "all")}
    assert grammar_for(held["none"], SCHEMA, None, None) is None  # type: ignore[arg-type]
    assert Evaluate().schema_decoding == "none", "an old workspace goes on as it was"


@pytest.mark.skipif(not (ROOT / "base/smollm2").is_dir(), reason="`make base/smollm2`")
@pytest.mark.slow
def test_a_real_chat_model_is_held_by_drafts_as_plainly() -> None:
    asked = Asked(ROOT / "base" / "smollm2", INSTRUCTION, rows=10)
    found = drafted(
        asked.model,
        asked.tokenizer,
        asked.prompts,
        asked.drafts,
        max_new_tokens=LIMIT,
        batch_size=5,
        share="padded",
        grammar=asked.grammar,
    )
    assert [one.answer.text for one in found] == asked.texts
    validator = validator_of(SCHEMA)
    assert all(schema_valid(one.text, validator) for one in asked.plain if one.tokens < LIMIT)
