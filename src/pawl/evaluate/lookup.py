"""What may come next in an answer: what followed its last words elsewhere (prompt lookup decoding,
Saxena 2023, https://github.com/apoorvumang/prompt-lookup-decoding)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pawl.evaluate.grammar import Writing

if TYPE_CHECKING:
    import torch

# Words of an answer's end that are looked up, the longest first.
LOOKED_UP = (3, 2)


@dataclass
class Row:
    """A row that is being decoded: `out` so far, its last token not yet in the cache.

    `read` counts the tokens before `out`. What may come next is looked up in the draft, from the
    place `near` on where it was last left, and in the end of the prompt. `writing` holds `out`
    where a grammar says what may come next.
    """

    index: int
    read: int
    out: list[int]
    draft: Sequence[int]
    prompt: Sequence[int]
    near: int
    seconds: float = 0.0
    writing: Writing | None = None

    def guess(self, most: int) -> list[int]:
        """Up to so many tokens that followed the answer's last words elsewhere."""
        for words in LOOKED_UP if most > 0 else ():
            if len(end := self.out[-words:]) < words:
                continue
            if (at := _find(self.draft, end, start=max(0, self.near - words))) is not None:
                self.near = at
                return list(self.draft[at : at + most])
            if (at := _find(self.prompt, end, start=0)) is not None:
                return list(self.prompt[at : at + most])
        return []


def written(
    guess: Sequence[int],
    chosen: Sequence[int],
    logits: torch.Tensor,
    writing: Writing | None,
    *,
    ends: set[int],
) -> list[int]:
    """What greedy decoding writes: the guess as far as it would, and the token after that.

    `chosen` are the likeliest tokens and `logits` all, at each place of the guess and behind it.
    """
    if writing is None:
        count = next((n for n, token in enumerate(guess) if token != chosen[n]), len(guess))
        return [*guess[:count], chosen[count]]
    out: list[int] = []
    for place in range(len(guess) + 1):
        out.append(writing.take(logits[place], chosen[place]))
        if out[-1] in ends or place == len(guess) or out[-1] != guess[place]:
            break
    return out


def _find(tokens: Sequence[int], words: Sequence[int], *, start: int) -> int | None:
    """Where these words, from `start` on, first end; None: nowhere, or with the tokens."""
    count, first = len(words), words[0]
    for at in range(start, len(tokens) - count):
        if tokens[at] == first and list(tokens[at : at + count]) == list(words):
            return at + count
    return None
