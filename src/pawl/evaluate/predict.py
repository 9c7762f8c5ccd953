"""Predict with one adapter, for `pawl predict`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pawl.config.judging import Evaluate
from pawl.core.records import Message
from pawl.evaluate.decode import greedy
from pawl.evaluate.grammar import grammar_for
from pawl.evaluate.judging import asked_of, judged_model, judging
from pawl.model.adapter import load_adapter, read_adapter
from pawl.model.device import here
from pawl.model.prompt import prompt_tokens
from pawl.model.tokenizer import load_tokenizer


def predict(
    policy: Evaluate,
    base: Path,
    adapter: Path,
    prompts: Sequence[Sequence[Message]],
    *,
    schema: Any = None,
) -> list[str]:
    """Decode each prompt with a verified adapter on its own base, as for the gate.

    `schema`: the task's JSON Schema, to which decoding is held where the gate's was.
    """
    tokenizer = load_tokenizer(base, read_adapter(adapter).base)
    asked = [prompt_tokens(tokenizer, messages) for messages in prompts]
    held = judging(base, asked_of([asked], [], policy, tokenizer, read_adapter(adapter)), here())
    model: Any = load_adapter(judged_model(base, held), adapter, name="chosen")
    by_schema = policy.schema_decoding == "all"
    answers = greedy(
        model,
        tokenizer,
        asked,
        max_new_tokens=policy.max_new_tokens,
        batch_size=policy.batch_size,
        grammar=grammar_for(policy, schema, model, tokenizer) if by_schema else None,
    )
    return [answer.text for answer in answers]
