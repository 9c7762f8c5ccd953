"""Predict with one adapter, for `pawl predict`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from pawl.config.schema import Task
from pawl.core.records import Message
from pawl.evaluate.decode import greedy
from pawl.evaluate.judging import asked_of, cards_of, judged_model, judging
from pawl.model.adapter import load_adapter, read_adapter
from pawl.model.base import base_info, find_base
from pawl.model.device import here
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
    asked = [prompt_tokens(tokenizer, messages) for messages in prompts]
    bare = asked_of([asked], [], section.evaluate, tokenizer)
    rank, targets = manifest.rank, section.train.targets
    load = dataclasses.replace(bare, adapters=1, rank=rank, targets=targets)
    held = judging(folder, load, here(), cards=cards_of(section))
    model = load_adapter(judged_model(folder, held), adapter, name="chosen")
    answers = greedy(
        model,
        tokenizer,
        asked,
        max_new_tokens=section.evaluate.max_new_tokens,
        batch_size=section.evaluate.batch_size,
    )
    return [answer.text for answer in answers]
