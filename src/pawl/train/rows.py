"""Tokenised train rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pawl.core.records import Example
from pawl.errors import DataError
from pawl.model.prompt import completion_tokens, naming_row, prompt_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Row:
    """An example's `tokens`; the loss leaves out the first `prompt` of them."""

    id: str
    tokens: tuple[int, ...]
    prompt: int

    def __len__(self) -> int:
        return len(self.tokens)


def token_rows(
    examples: Iterable[Example], tokenizer: PreTrainedTokenizerBase, *, max_length: int
) -> list[Row]:
    """Tokenise the examples, without truncation.

    Raises:
        DataError: a row is longer than `max_length` tokens (a truncated completion would teach the
            model to stop early), its prompt or completion has no token, or the chat template cannot
            show its turns.
    """
    rows: list[Row] = []
    for example in examples:
        with naming_row(example.id):
            prompt = prompt_tokens(tokenizer, example.messages)
            answer = completion_tokens(tokenizer, example.completion)
        if len(prompt) + len(answer) > max_length:
            raise DataError(
                f"row '{example.id}' has {len(prompt) + len(answer)} tokens",
                rule=f"prompt and completion fit in train.max_length = {max_length}",
                remedy="raise `train.max_length`, or shorten the row",
            )
        if not prompt or not answer:
            raise DataError(
                f"row '{example.id}' has {len(prompt)} prompt and {len(answer)} completion tokens",
                rule="a row has prompt tokens and completion tokens",
                remedy="give it a prompt and a completion",
            )
        rows.append(Row(example.id, (*prompt, *answer), len(prompt)))
    return rows
