"""Chooses each row's next token: the likeliest, as for the gate, or one by lot if asked for."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from pawl.serve.rows import Row


def choose(logits: Any, rows: Sequence[Row]) -> list[int | None]:
    """The next token of each row, from its logits [rows, words]; None where these are no numbers.

    A row whose logits are no numbers fails alone.
    """
    chosen: list[int | None] = logits.argmax(dim=-1).tolist()
    numbers = (~logits.isnan().any(dim=-1)).tolist()
    for place, row in enumerate(rows):
        if not numbers[place]:
            chosen[place] = None
        elif row.sampling.temperature > 0:
            chosen[place] = _drawn(logits[place], row)
    return chosen


def _drawn(logits: Any, row: Row) -> int:
    """A token by lot, from a row's logits [words]."""
    import torch

    if row.dice is None:
        # On the CPU on every device, so that a seed means the same.
        seed = secrets.randbits(63) if row.sampling.seed is None else row.sampling.seed
        row.dice = torch.Generator().manual_seed(seed)
    scores = logits.float().cpu()
    # The best at 0, so that no temperature makes a number that is too large.
    shares = torch.softmax((scores - scores.max()) / row.sampling.temperature, dim=-1)
    ordered, words = shares.sort(descending=True, stable=True)
    # The first that reach `top_p` together: what comes before a word is less than that.
    ordered[ordered.cumsum(dim=-1) - ordered >= row.sampling.top_p] = 0.0
    return int(words[torch.multinomial(ordered, 1, generator=row.dice)])
