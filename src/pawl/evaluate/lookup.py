"""What may come next in an answer: what followed its last words elsewhere (prompt lookup decoding,
Saxena 2023, https://github.com/apoorvumang/prompt-lookup-decoding)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Words of an answer's end that are looked up, the longest first.
LOOKED_UP = (3, 2)


@dataclass
class Row:
    """A row that is being decoded: `out` so far, its last token not yet in the cache.

    `read` counts the tokens before `out`. What may come next is looked up in the draft, from the
    place `near` on where it was last left, and in the end of the prompt.
    """

    index: int
    read: int
    out: list[int]
    draft: Sequence[int]
    prompt: Sequence[int]
    near: int
    seconds: float = 0.0

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


def _find(tokens: Sequence[int], words: Sequence[int], *, start: int) -> int | None:
    """Where these words, from `start` on, first end; None: nowhere, or with the tokens."""
    count, first = len(words), words[0]
    for at in range(start, len(tokens) - count):
        if tokens[at] == first and list(tokens[at : at + count]) == list(words):
            return at + count
    return None
