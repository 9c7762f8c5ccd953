"""Does the company in a batch change a greedy answer? Measured on the tiny base and tickets rows.

    python bench/batching.py

Decodes the same prompts in batches of 1, 7, 16 and 64 and compares answers, and the logits of the
first answer token bit by bit.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import torch

from pawl.core.records import Message
from pawl.evaluate.decode import greedy
from pawl.model.base import dequantised, load_base
from pawl.model.cached_batches import batches
from pawl.model.prompt import prompt_tokens
from pawl.model.tokenizer import load_tokenizer

ROOT = Path(__file__).parents[1]
ROWS = 200
SIZES = (1, 7, 16, 64)


def main() -> None:
    """Print one JSON value: for each batch size, what differs from batches of one."""
    folder = ROOT / "base" / "tiny"
    model, tokenizer = dequantised(load_base(folder)).eval(), load_tokenizer(folder)
    with (ROOT / "examples" / "tickets" / "v2.jsonl").open(encoding="utf-8") as file:
        texts = [json.loads(line)["prompt"] for line in itertools.islice(file, ROWS)]
    prompts = [prompt_tokens(tokenizer, (Message("user", text),)) for text in texts]
    alone = decoded(model, tokenizer, prompts, 1)
    first = first_logits(model, prompts, tokenizer.pad_token_id, 1)
    found = {}
    for size in SIZES[1:]:
        answers = decoded(model, tokenizer, prompts, size)
        logits = first_logits(model, prompts, tokenizer.pad_token_id, size)
        found[size] = {
            "other answers": sum(a != b for a, b in zip(alone, answers, strict=True)),
            "other bits": sum(not torch.equal(first[i], logits[i]) for i in first),
            "largest difference": max(float((first[i] - logits[i]).abs().max()) for i in first),
        }
    print(json.dumps({"rows": ROWS, "against batches of 1": found}, indent=2))


def decoded(model: object, tokenizer: object, prompts: list[list[int]], size: int) -> list[str]:
    """The answers' texts."""
    answers = greedy(model, tokenizer, prompts, max_new_tokens=48, batch_size=size)
    return [answer.text for answer in answers]


def first_logits(
    model: object, prompts: list[list[int]], pad: int, size: int
) -> dict[int, torch.Tensor]:
    """The logits [vocabulary] of each row's first answer token."""
    found = {}
    with torch.inference_mode():
        for rows, batch in batches(model, prompts, pad=pad, batch_size=size):
            logits = model(
                input_ids=batch.ids,
                attention_mask=batch.attention_mask,
                position_ids=batch.position_ids,
                past_key_values=batch.cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
            found.update(zip(rows, logits, strict=True))
    return found


if __name__ == "__main__":
    main()
