"""Padded batches, with which packs are compared, and random rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pawl.train.rows import Row

# The label that torch's cross-entropy ignores.
MASKED = -100


def padded(rows: Sequence[Row], *, pad: int) -> dict[str, torch.Tensor]:
    """A batch [rows, longest], padded on the right, for transformers' own loss."""
    longest = max(map(len, rows))

    def fill(values: Sequence[int], filler: int) -> list[int]:
        return [*values, *[filler] * (longest - len(values))]

    columns = {
        "input_ids": [fill(row.tokens, pad) for row in rows],
        "attention_mask": [fill([1] * len(row), 0) for row in rows],
        "labels": [
            fill([MASKED] * row.prompt + list(row.tokens[row.prompt :]), MASKED) for row in rows
        ],
    }
    return {name: torch.tensor(values) for name, values in columns.items()}


def some_rows(lengths: Sequence[int]) -> list[Row]:
    """Rows of random tokens with these lengths (2 or more); the first half is the prompt."""
    generator = torch.Generator().manual_seed(sum(lengths))
    return [
        Row(f"r{i}", tuple(torch.randint(5, 900, (n,), generator=generator).tolist()), n // 2)
        for i, n in enumerate(lengths)
    ]
