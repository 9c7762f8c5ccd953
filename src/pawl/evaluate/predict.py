"""Predict with one adapter, for `pawl predict`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pawl.config.schema import Evaluate
from pawl.core.records import Message
from pawl.evaluate.decode import greedy
from pawl.evaluate.judging import asked_of, judged_model, judging
from pawl.model.adapter import load_adapter, read_adapter
from pawl.model.device import here
from pawl.model.prompt import prompt_tokens
from pawl.model.tokenizer import load_tokenizer


def predict(
    policy: Evaluate, base: Path, adapter: Path, prompts: Sequence[Sequence[Message]]
) -> list[str]:
    """Decode each prompt with a verified adapter on its own base, as for the gate."""
    tokenizer = load_tokenizer(base, read_adapter(adapter).base)
    asked = [prompt_tokens(tokenizer, messages) for messages in prompts]
    held = judging(base, asked_of([asked], [], policy, tokenizer, read_adapter(adapter)), here())
    model = load_adapter(judged_model(base, held), adapter, name="chosen")
    answers = greedy(
        model,
        tokenizer,
        asked,
        max_new_tokens=policy.max_new_tokens,
        batch_size=policy.batch_size,
    )
    return [answer.text for answer in answers]
