"""Examples as token rows with the prompt masked, and batches of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pawl.errors import DataError
from pawl.prompt import completion_tokens, prompt_tokens
from pawl.records import Example

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

# The label that torch's cross-entropy leaves out of the loss.
MASKED = -100

Row = dict[str, list[int]]


def token_rows(
    examples: Iterable[Example], tokenizer: PreTrainedTokenizerBase, *, max_length: int
) -> list[Row]:
    """One `{"input_ids", "labels"}` per example; labels of the prompt are masked.

    Raises:
        DataError: a row is longer than `max_length` tokens. It is never cut: a cut completion
            teaches the model to stop early.
    """
    rows: list[Row] = []
    for example in examples:
        prompt = prompt_tokens(tokenizer, example.messages)
        answer = completion_tokens(tokenizer, example.completion)
        if len(prompt) + len(answer) > max_length:
            raise DataError(
                f"row '{example.id}' has {len(prompt) + len(answer)} tokens",
                rule=f"prompt and completion fit in train.max_length = {max_length}",
                remedy="raise `train.max_length`, or shorten the row",
            )
        rows.append({"input_ids": prompt + answer, "labels": [MASKED] * len(prompt) + answer})
    return rows


def padded(rows: Sequence[Row], *, pad: int) -> dict[str, torch.Tensor]:
    """A batch of shape [rows, longest]: input_ids, attention_mask, labels; padded on the right."""
    import torch

    longest = max(len(row["input_ids"]) for row in rows)

    def fill(values: list[int], filler: int) -> list[int]:
        return values + [filler] * (longest - len(values))

    columns: dict[str, Any] = {
        "input_ids": [fill(row["input_ids"], pad) for row in rows],
        "attention_mask": [fill([1] * len(row["input_ids"]), 0) for row in rows],
        "labels": [fill(row["labels"], MASKED) for row in rows],
    }
    return {name: torch.tensor(values) for name, values in columns.items()}
