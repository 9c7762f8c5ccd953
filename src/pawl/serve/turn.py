"""Whose turn it is among the rows that wait, and what a fault of a batch tells."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from pawl.serve.rows import Row

# Tokens of prompts that are computed between two steps: those who are being answered wait for it.
PROMPT_TOKENS = 4096


def take_turn(waiting: deque[Row], room: int, key: Callable[[Row], Any]) -> list[Row]:
    """Take the first row from those that wait, and others that may share its batch.

    Args:
        waiting: the rows in their order; those taken leave it.
        room: how many may be taken.
        key: rows with the same key share a batch.
    """
    if room < 1 or not waiting:
        return []
    first = waiting.popleft()
    rows, left, longest = [first], [], first.length
    while waiting:
        row = waiting.popleft()
        width = max(longest, row.length)
        fits = len(rows) < room and (len(rows) + 1) * width <= PROMPT_TOKENS
        if fits and key(row) == key(first):
            rows.append(row)
            longest = width
        else:
            left.append(row)
    waiting.extend(left)
    return rows


def out_of_memory(error: Exception) -> bool:
    """Whether a device had too little memory for a batch."""
    import torch

    return isinstance(error, torch.OutOfMemoryError)
