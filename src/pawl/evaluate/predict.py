"""Predict with one adapter, for `pawl predict`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pawl.config.schema import Task
from pawl.core.records import Message
from pawl.evaluate.decode import greedy
from pawl.model.adapter import load_adapter, read_adapter
from pawl.model.base import base_info, dequantised, find_base, load_base
from pawl.model.prompt import prompt_tokens
from pawl.model.tokenizer import load_tokenizer


def predict(
    section: Task, root: Path, adapter: Path, prompts: Sequence[Sequence[Message]]
) -> list[str]:
    """Verify the adapter and decode each prompt with it, as for the gate.

    Raises:
        AdapterError: the adapter is damaged or was trained on another base.
    """
    manifest = read_adapter(adapter, base=base_info(section.base, root).digest)
    folder = find_base(section.base, root)
    tokenizer = load_tokenizer(folder, manifest.base)
    model = load_adapter(dequantised(load_base(folder)), adapter, name="chosen")
    answers = greedy(
        model,
        tokenizer,
        [prompt_tokens(tokenizer, messages) for messages in prompts],
        max_new_tokens=section.evaluate.max_new_tokens,
        batch_size=section.evaluate.batch_size,
    )
    return [answer.text for answer in answers]
